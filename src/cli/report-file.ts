import { randomUUID } from "node:crypto";
import { access, constants, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { CacheError, codeOf, messageOf } from "../errors.js";

/**
 * Looks whether a file can be written, before that takes its time to make.
 * @throws CacheError `report-not-written`
 */
export async function checkReportFile(path: string): Promise<void> {
  try {
    const there = await found(path);
    if (there?.isDirectory()) throw new Error("it is a directory");
    await access(there && !there.isFile() ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw notWritten(path, error);
  }
}

/**
 * Writes a file of mode 0600, which appears, or is replaced, when it is complete; pipes and devices are written to directly.
 * @throws CacheError `report-not-written`
 */
export async function writeReportFile(path: string, text: string): Promise<void> {
  try {
    const there = await found(path);
    if (there && !there.isFile()) return await writeFile(path, text);
    const draft = `${path}.${randomUUID()}.tmp`;
    try {
      await writeFile(draft, text, { mode: 0o600, flag: "wx" });
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  } catch (error) {
    throw notWritten(path, error);
  }
}

async function found(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function notWritten(path: string, error: unknown): CacheError {
  const kind = /^(ENOSPC|EDQUOT|EFBIG)$/.test(codeOf(error) ?? "") ? "store" : "usage";
  return new CacheError(kind, "report-not-written", `${path} can't be written: ${messageOf(error)}`, {
    cause: error,
    hint: "Check its folder, its permissions and the space on the disk.",
  });
}
