import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CacheError } from "../src/errors.js";
import { checkKey, keyFromBytes, keyToBytes, MAX_KEY_BYTES, showKey } from "../src/key.js";
import { HOSTILE_KEYS } from "./contract/harness.js";

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));

/** Bytes that are nearly UTF-8: cut sequences, overlong forms, surrogates, stray continuations between good text. */
const nearlyUtf8 = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 4 }).map((text) => Buffer.from(text)),
      fc
        .constantFrom(
          [0xff],
          [0x80],
          [0xc0, 0xaf],
          [0xed, 0xa0, 0x80],
          [0xe2, 0x82],
          [0xf0, 0x9f, 0x98],
          [0xf4, 0x90, 0x80, 0x80],
          [0xef, 0xbf, 0xbd],
        )
        .map((part) => Buffer.from(part)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));

function isUtf8(buffer: Buffer): boolean {
  return Buffer.from(buffer.toString("utf8")).equals(buffer);
}

describe("keys that others wrote", () => {
  it("gives any bytes back", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, nearlyUtf8), (raw) => {
        expect(keyToBytes(keyFromBytes(raw)).equals(raw)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("is well formed exactly where the bytes are UTF-8", () => {
    fc.assert(
      fc.property(fc.oneof(bytes, nearlyUtf8), (raw) => {
        expect(keyFromBytes(raw).isWellFormed()).toBe(isUtf8(raw));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [[0xc0, 0x80]],
    [[0xc1, 0xbf]],
    [[0xe0, 0x80, 0x80]],
    [[0xe0, 0x9f, 0xbf]],
    [[0xed, 0xa0, 0x80]],
    [[0xed, 0xbf, 0xbf]],
    [[0xf0, 0x80, 0x80, 0x80]],
    [[0xf0, 0x8f, 0xbf, 0xbf]],
    [[0xf4, 0x90, 0x80, 0x80]],
    [[0xf5, 0x80, 0x80, 0x80]],
    [[0xe2, 0x82]],
    [[0xf0, 0x9f, 0x98]],
    [[0xe2, 0x28, 0xa1]],
  ])("takes %j byte by byte: overlong, a surrogate, beyond Unicode, or cut off", (list) => {
    const raw = Buffer.from(list);
    const key = keyFromBytes(raw);
    expect(Array.from(key, (char) => char.charCodeAt(0))).toEqual(
      list.map((byte) => (byte < 0x80 ? byte : 0xdc00 + byte)),
    );
    expect(keyToBytes(key)).toEqual(raw);
  });

  it("mixes up no two keys", () => {
    fc.assert(
      fc.property(nearlyUtf8, nearlyUtf8, (a, b) => {
        expect(keyFromBytes(a) === keyFromBytes(b)).toBe(a.equals(b));
      }),
      { numRuns: 1000 },
    );
  });

  it("escapes the bytes that are no UTF-8 and nothing else", () => {
    expect(keyFromBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa9]))).toBe("a\udcffé");
    expect(keyFromBytes(Buffer.from("\ufffd"))).toBe("\ufffd");
    expect(showKey(keyFromBytes(Buffer.from([0x61, 0xff, 0x80])))).toBe("a\\xff\\x80");
  });
});

describe("keys that are written", () => {
  it("takes all that are hostile but allowed", () => {
    for (const key of HOSTILE_KEYS) expect(() => checkKey(key)).not.toThrow();
  });

  it.each([
    ["", "empty"],
    ["a\0b", "NUL"],
    ["\ud800", "surrogate"],
    ["a\udc80", "surrogate"],
    ["k".repeat(MAX_KEY_BYTES + 1), "too long"],
    [`${"é".repeat(MAX_KEY_BYTES / 2)}k`, "too long"],
  ])("refuses %j", (key, why) => {
    let thrown: unknown;
    try {
      checkKey(key);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(CacheError);
    expect(thrown).toMatchObject({ kind: "usage", code: "invalid-key", key, message: expect.stringContaining(why) });
    expect(thrown).toHaveProperty("hint", expect.any(String));
  });

  it("takes a key exactly when it is 1 to 1,024 bytes of UTF-8 without NUL", () => {
    const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(unit).map((units) => units.join("")),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(1, 100), (part, times) => {
        const key = part.repeat(times);
        const size = Buffer.byteLength(key);
        const good = size >= 1 && size <= MAX_KEY_BYTES && key.isWellFormed() && !key.includes("\0");
        let taken = true;
        try {
          checkKey(key);
        } catch {
          taken = false;
        }
        expect(taken).toBe(good);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("keys on a screen", () => {
  it("holds no character that moves the cursor, breaks the line, or hides", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), nearlyUtf8, (text, raw) => {
        const shown = showKey(text + keyFromBytes(raw));
        expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cf}\p{Cs}]/u);
      }),
      { numRuns: 1000 },
    );
  });

  it("shows two keys as two", () => {
    const key = fc.oneof(fc.constantFrom("\n", "\\n", "\\\\n", "\x1b", "\\x1b", "\u202e", "\\u{202e}"), fc.string());
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(showKey(a) === showKey(b)).toBe(a === b);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["plain:key/😀 é", "plain:key/😀 é"],
    ["a\nb\rc\td\\", "a\\nb\\rc\\td\\\\"],
    ["\x1b[31m", "\\x1b[31m"],
    ["a\u202eb", "a\\u{202e}b"],
    ["\u200b", "\\u{200b}"],
  ])("shows %j as %s", (key, shown) => {
    expect(showKey(key)).toBe(shown);
  });
});
