import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAGIC, readEnvelope, wrap } from "../../src/backends/envelope.js";

/** Magic, version 1, flags 3, 4 bytes of meta, CRC-32, 1,760,000,000,000 as a double, meta, `{}`. */
const GOLDEN = "ff636163fe0d0ac0 01 03 0000 00000004 d33604f2 42799c82cc000000 00ff6d80 7b7d".replaceAll(" ", "");

describe("envelope", () => {
  test("plain values stay the bytes they are", () => {
    const value = Buffer.from('{"a":1}');
    expect(wrap({ value })).toBe(value);
    expect(readEnvelope(value)).toBeUndefined();
  });

  test("the magic is no valid UTF-8", () => {
    expect(() => new TextDecoder("utf-8", { fatal: true }).decode(MAGIC)).toThrow();
  });

  test("the bytes of version 1", () => {
    const entry = {
      value: Buffer.from("{}"),
      staleAt: 1_760_000_000_000,
      meta: Buffer.from([0, 0xff, 0x6d, 0x80]),
    };
    expect(Buffer.from(wrap(entry)).toString("hex")).toBe(GOLDEN);
    const read = readEnvelope(Buffer.from(GOLDEN, "hex"));
    expect(read).toEqual({ headerBytes: 32, staleAt: entry.staleAt, meta: entry.meta });
  });

  test("a value that begins with the magic is always wrapped, and comes back", () => {
    const value = Buffer.concat([MAGIC, Buffer.from("anything")]);
    const stored = Buffer.from(wrap({ value }));
    const header = readEnvelope(stored);
    expect(stored.subarray(header?.headerBytes).equals(value)).toBe(true);
    expect(stored.length).toBeGreaterThan(value.length);
  });

  test("without a sound header the bytes are plain: cut, changed, or never ours", () => {
    const stored = Buffer.from(wrap({ value: Buffer.from("v"), meta: Buffer.from("meta") }));
    expect(readEnvelope(stored)).toBeDefined();
    expect(readEnvelope(stored.subarray(0, 20))).toBeUndefined();
    expect(readEnvelope(Buffer.concat([MAGIC, Buffer.alloc(40)]))).toBeUndefined();
    for (const offset of [8, 9, 10, 12, 16, 28]) {
      const changed = Buffer.from(stored);
      changed[offset] = (changed[offset] ?? 0) ^ 0x40;
      expect({ offset, read: readEnvelope(changed) }).toEqual({ offset, read: undefined });
    }
  });

  test("any value, soft deadline and meta come back", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const entry = fc.record({ value: bytes, meta: bytes, staleAt: fc.nat() }, { requiredKeys: ["value"] });
    fc.assert(
      fc.property(entry, (given) => {
        const stored = Buffer.from(wrap(given));
        const read = readEnvelope(stored);
        const value = stored.subarray(read?.headerBytes ?? 0);
        expect(value.equals(given.value)).toBe(true);
        expect(read?.staleAt).toBe(given.staleAt);
        expect(read?.meta === undefined ? undefined : Array.from(read.meta)).toEqual(
          given.meta === undefined ? undefined : Array.from(given.meta),
        );
      }),
    );
  });

  test("meta above 64 KiB is refused", () => {
    const entry = { value: Buffer.alloc(1), meta: Buffer.alloc(65_537) };
    expect(() => wrap(entry)).toThrowError(expect.objectContaining({ code: "meta-too-large" }));
  });
});
