import { isAbsolute, join } from "node:path";
import type { CallOptions } from "../cache/cache.js";
import { CacheError } from "../errors.js";
import type { Selector } from "../selector.js";
import type { ExportSource } from "./export.js";
import { exportToFile } from "./export-file.js";

/**
 * Exports what is about to be deleted into a new file; the number of entries in it. Entries that can't be exported make it
 * fail, since they could not be brought back.
 * @param options `cwd` is what a relative path starts from
 * @throws CacheError `backup-incomplete`, `backup-interrupted`, and what an export to a file throws
 */
export async function backupEntries(
  cache: ExportSource,
  selector: Selector,
  path: string,
  options: CallOptions & { cwd: string },
): Promise<number> {
  const target = isAbsolute(path) ? path : join(options.cwd, path);
  const call = options.signal ? { signal: options.signal } : {};
  const report = await exportToFile(cache, selector, target, { ...call, overwrite: false });
  if (report.interrupted) {
    throw new CacheError("refused", "backup-interrupted", "the backup was interrupted, so nothing is deleted", {
      hint: "Run the command again.",
    });
  }
  const missing = report.otherTypes + report.unfit;
  if (missing === 0) return report.exported;
  const what = `${missing} ${missing === 1 ? "entry" : "entries"}`;
  throw new CacheError("refused", "backup-incomplete", `${what} can't be exported, so nothing is deleted`, {
    hint: `The others are in ${path}. Select only strings with valid keys, or leave out the backup.`,
  });
}
