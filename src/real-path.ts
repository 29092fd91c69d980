import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A path without links, also where its last parts are not there yet. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
