import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where the folders of one test run lie; set by global-setup.ts, which removes the whole of it at the end. */
export const TEMP_ROOT_VARIABLE = "CACHECTL_TEST_TMP";

/** A new empty folder, readable by us alone. It is removed when the test run ends, also after a failure. */
export function tempDir(name = "dir"): string {
  return mkdtempSync(join(process.env[TEMP_ROOT_VARIABLE] ?? tmpdir(), `${name}-`));
}
