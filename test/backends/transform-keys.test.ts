import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { KeyRing, loadKeyRing } from "../../src/backends/transform/index.js";
import { CacheError } from "../../src/errors.js";
import { tempDir } from "../support/temp-dir.js";

function keyFile(text: string | Buffer, mode = 0o600): string {
  const path = join(tempDir("keys"), "keys");
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const base64 = () => randomBytes(32).toString("base64");

async function refusal(path: string): Promise<CacheError> {
  try {
    await loadKeyRing(path);
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("the file of encryption keys", () => {
  test("the first key writes, all read; comments, blank lines and line ends of any kind are fine", async () => {
    const [a, b] = [base64(), base64()];
    const ring = await loadKeyRing(keyFile(`\ufeff# keys\r\n\r\nnew.2026-11:${a}\r\n  old_1: ${b}  \n`));
    expect(ring.writesWith).toBe("new.2026-11");
    expect(ring.get("new.2026-11")?.key.export().toString("base64")).toBe(a);
    expect(ring.get("old_1")?.key.export().toString("base64")).toBe(b);
    expect(ring.get("other")).toBeUndefined();
  });

  test.each([0o600, 0o400, 0o700])("mode %o is private", async (mode) => {
    expect((await loadKeyRing(keyFile(`k:${base64()}\n`, mode))).writesWith).toBe("k");
  });

  test.each([0o640, 0o604, 0o644, 0o620, 0o602, 0o660, 0o666, 0o610])("mode %o is not", async (mode) => {
    const path = keyFile(`k:${base64()}\n`, mode);
    const error = await refusal(path);
    expect(error).toMatchObject({ kind: "usage", code: "encryption-key-file", hint: `Run: chmod 600 ${path}` });
    expect(error.message).toContain(mode.toString(8));
    const link = join(tempDir("link"), "keys");
    symlinkSync(path, link);
    expect((await refusal(link)).code).toBe("encryption-key-file");
  });

  test("what is no file, not there or much too large is refused, and nothing is waited for", async () => {
    const folder = tempDir("keys");
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", ["-m", "600", pipe]);
    const paths = [folder, pipe, join(folder, "none"), keyFile(Buffer.alloc(100_000, "#"))];
    for (const path of paths) expect(await refusal(path)).toMatchObject({ kind: "usage", code: "encryption-key-file" });
  });

  const good = base64();
  const BAD: Record<string, [text: string, says: string]> = {
    empty: ["", "holds no key"],
    "comments alone": ["# nothing\n\n", "holds no key"],
    "no id": [`${good}\n`, "line 1 has no id"],
    "an empty id": [`:${good}\n`, "the id of"],
    "an id with a blank": [`my key:${good}\n`, "the id of"],
    "an id that is too long": [`${"k".repeat(65)}:${good}\n`, "the id of"],
    "a key in the place of the id": [`${good}:k1\n`, "the id of"],
    "a short key": [`k:${randomBytes(31).toString("base64")}\n`, "line 1 has 31 bytes"],
    "a long key": [`k:${randomBytes(33).toString("base64")}\n`, "line 1 has 33 bytes"],
    "a key in hex": [`k:${randomBytes(32).toString("hex")}\n`, "line 1 has 48 bytes"],
    "a key that is no Base64": [`k:${"*".repeat(44)}\n`, "line 1 is not Base64"],
    "no key": ["k:\n", "line 1 is not Base64"],
    "a bad second line": [`k:${good}\nl:AAAA\n`, "line 2 has 3 bytes"],
    "one id twice": [`k:${good}\nl:${base64()}\nk:${base64()}\n`, "line 3 has the id of a key before it"],
  };
  test.each(Object.entries(BAD))("%s is refused, and nothing of it shown", async (_, [text, says]) => {
    const error = await refusal(keyFile(text));
    expect(error).toMatchObject({ kind: "usage", code: "invalid-encryption-key" });
    expect(error.message).toContain(says);
    const shown = inspect(error, { depth: 9, showHidden: true });
    for (const part of text.split(/[:\n]/).filter((one) => one.length > 8)) expect(shown).not.toContain(part);
  });
});

describe("a ring of keys", () => {
  test("takes bytes or Base64, and keeps its own copy", () => {
    const key = randomBytes(32);
    const text = key.toString("base64");
    const ring = new KeyRing([
      { id: "a", key },
      { id: "b", key: text },
    ]);
    key.fill(0);
    for (const id of ["a", "b"]) expect(ring.get(id)?.key.export().toString("base64")).toBe(text);
  });

  test("shows no key, however it is printed", () => {
    const key = randomBytes(32);
    const ring = new KeyRing([{ id: "a", key }]);
    const shown = `${inspect(ring, { depth: 9, showHidden: true })}${JSON.stringify(ring)}${String(ring)}`;
    for (const form of ["base64", "hex", "latin1"] as const) expect(shown).not.toContain(key.toString(form));
    expect(shown).not.toContain([...key.subarray(0, 4)].join(", "));
  });

  test("is refused where a key is short, missing or there twice", () => {
    const refused = { kind: "usage", code: "invalid-encryption-key" };
    const one = { id: "a", key: randomBytes(32) };
    for (const keys of [[], [{ id: "a", key: randomBytes(16) }], [one, one], [{ id: "", key: one.key }]]) {
      expect(() => new KeyRing(keys)).toThrowError(expect.objectContaining(refused));
    }
  });
});
