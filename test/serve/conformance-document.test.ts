import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("docs/http-conformance.md is made of the tests as they are", async () => {
  const script = fileURLToPath(new URL("../../scripts/http-conformance.js", import.meta.url));
  const { stderr } = await promisify(execFile)(process.execPath, [script, "--check"]);
  expect(stderr).toBe("");
});
