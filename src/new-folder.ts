import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "./errors.js";

/**
 * Makes a folder that only its owner may use, and those above it that are missing. One by one: Node's own way to do that never ends where a folder can't be made in one that is there
 * (`/proc`).
 * @throws Error of Node, with its `code`
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") return;
    const above = dirname(path);
    if (code !== "ENOENT" || existsSync(above)) throw error;
    makeFolder(above);
    makeFolder(path);
  }
}
