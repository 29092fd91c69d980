import { join } from "node:path";
import type { Backend } from "../backend.js";
import { Core } from "../sqlite/core.js";
import type { CoreOptions } from "../sqlite/core-options.js";
import { operationsOf } from "../sqlite/operations.js";
import { INDEX_APPLICATION_ID } from "../sqlite/schema.js";
import { FileValues } from "./file-values.js";
import { ValueFiles } from "./value-files.js";

export interface FileOptions extends CoreOptions {
  /** The folder of the store; made where it is not there. */
  path: string;
}

/**
 * Opens a store in a folder: a file a value under `values/`, and an index in SQLite (`index.db`), which makes prefixes, tags, deadlines
 * and counting the same as in the SQLite store. A damaged index is moved aside as there, and its values are removed by `prune`.
 * @throws CacheError as `openSqlite`, and `store-not-directory`
 */
export async function openFile(options: FileOptions): Promise<Backend> {
  const { path } = options;
  const files = new ValueFiles(join(path, "values"));
  const core = await Core.open(options, {
    kind: "file",
    target: `file:${path}`,
    path: join(path, "index.db"),
    applicationId: INDEX_APPLICATION_ID,
    discard: (names) => files.discard(names),
  });
  const values = new FileValues(core, files, path);
  return {
    ...operationsOf(core),
    name: "file",
    getMany: (keys, call) => values.getMany(keys, call),
    setMany: (entries, call) => values.setMany(entries, call),
    commit: (entry, lease, call) => values.commit(entry, lease, call),
    atomic: (steps, call) => values.atomic(steps, call),
    openRead: (key, call) => values.openRead(key, call),
    openWrite: (entry, call) => values.openWrite(entry, call),
    prune: async () => {
      const removed = await core.prune();
      await values.removeOrphans();
      return removed;
    },
  };
}
