import type { Backend } from "../backend.js";
import { Core } from "./core.js";
import type { CoreOptions } from "./core-options.js";
import { operationsOf } from "./operations.js";
import { RowValues } from "./row-values.js";
import { STORE_APPLICATION_ID } from "./schema.js";

export interface SqliteOptions extends CoreOptions {
  /** The database file; it and its folder are made where they are not there. */
  path: string;
}

/**
 * Opens a store in one SQLite file. A file that is damaged or no database is moved aside to `<path>.corrupt-<timestamp>`, and a new one
 * begun, with the warning `store-quarantined`; read-only it is an error.
 * @throws CacheError `foreign-database`, `newer-database`, `network-filesystem`, `store-is-directory`, `store-permission`,
 * `store-cannot-open`, `store-busy`, `store-corrupt`, `disk-full`, `invalid-bounds`
 */
export async function openSqlite(options: SqliteOptions): Promise<Backend> {
  const { path } = options;
  const core = await Core.open(options, {
    kind: "sqlite",
    target: `sqlite:${path}`,
    path,
    applicationId: STORE_APPLICATION_ID,
  });
  const rows = new RowValues(core);
  return {
    ...operationsOf(core),
    name: "sqlite",
    getMany: (keys, call) => rows.getMany(keys, call),
    setMany: (entries, call) => rows.setMany(entries, call),
    commit: (entry, lease, call) => rows.commit(entry, lease, call),
    atomic: (steps, call) => rows.atomic(steps, call),
    openRead: (key, call) => rows.openRead(key, call),
    openWrite: (entry, call) => rows.openWrite(entry, call),
  };
}
