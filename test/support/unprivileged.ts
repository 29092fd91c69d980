import { chmodSync, chownSync } from "node:fs";
import { dirname } from "node:path";

/** User and group `nobody`: any that is not root will do. */
const NOBODY = 65_534;

/**
 * Runs the work as a user to whom permissions apply: as root they don't, so that the process is somebody else meanwhile.
 * @param folder a folder from tempDir, which is that user's own then
 */
export async function unprivileged<T>(folder: string, work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  chmodSync(dirname(folder), 0o711);
  chownSync(folder, NOBODY, NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
