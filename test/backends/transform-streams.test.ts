import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, CHUNK_BYTES, type EntryReader } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { isTransformed, makeHeader } from "../../src/backends/transform/header.js";
import { KeyRing, type TransformOptions, transformed } from "../../src/backends/transform/index.js";
import { CacheError } from "../../src/errors.js";
import { drain, pattern } from "../contract/full.js";
import { entry, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";

const encryption = { keys: new KeyRing([{ id: "k1", key: Buffer.alloc(32, 7) }]) };
const HEADER = 24 + 2 + 8 + 16;
const SEGMENT = 65_536;
const STORED = SEGMENT + 16;
const SIZE = 10 * SEGMENT + 1234;
const VALUE = pattern(SIZE);

/** What is read of the store below. */
interface Watched {
  /** Bytes that it gave. */
  bytes: number;
  /** Readers that it opened, and that are still open. */
  opened: number;
  open: number;
  /** Called before each opening. */
  before?: ((opening: number) => void) | undefined;
}

function watched(inner: Backend, seen: Watched): Backend {
  const openRead: Backend["openRead"] = async (key, options) => {
    seen.before?.(seen.opened);
    seen.opened += 1;
    const reader = await inner.openRead(key, options);
    if (!reader) return undefined;
    seen.open += 1;
    let isOpen = true;
    async function* body(from: EntryReader) {
      for await (const piece of from.body) {
        seen.bytes += piece.length;
        yield piece;
      }
    }
    const close = () => {
      if (isOpen) seen.open -= 1;
      isOpen = false;
      reader.close();
    };
    return { head: reader.head, body: body(reader), close };
  };
  return new Proxy(inner, {
    get(target, name) {
      if (name === "openRead") return openRead;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function setUp() {
  const context = { namespace: "", clock: new FakeClock(), emit: () => {} };
  const inner = openMemory({ ...context, maxBytes: 1_000_000_000 });
  onTestFinished(() => inner.close());
  const seen: Watched = { bytes: 0, opened: 0, open: 0 };
  const over = (options: Partial<TransformOptions>) =>
    transformed(watched(inner, seen), { namespace: "", ...options }, context);
  const raw = (key = "k") => Buffer.from(inner.getMany([key], { peek: true })[0]?.value ?? []);
  return { inner, seen, over, raw };
}

async function stream(backend: Backend, value: Uint8Array, key = "k"): Promise<void> {
  const writer = await backend.openWrite({ key });
  for (let at = 0; at < value.length; at += 50_000) await writer.write(value.subarray(at, at + 50_000));
  expect(await writer.commit()).toBe("stored");
}

describe("a stream", () => {
  test("is not compressed, and as long as its segments", async () => {
    const { over, raw } = setUp();
    await stream(over({ compression: { algorithm: "gzip" } }), Buffer.alloc(SIZE));
    expect(raw().equals(Buffer.alloc(SIZE))).toBe(true);
    await stream(over({ compression: { algorithm: "gzip" }, encryption }), Buffer.alloc(SIZE));
    expect(raw().length).toBe(HEADER + SIZE + 11 * 16);
  });

  const RANGES: [start: number, end: number, segments: number][] = [
    [0, 10, 1],
    [SEGMENT - 1, SEGMENT + 1, 2],
    [SEGMENT, 2 * SEGMENT, 1],
    [5 * SEGMENT + 7, 5 * SEGMENT + 9, 1],
    [SIZE - 1, SIZE, 1],
  ];
  test.each(RANGES)("of bytes %i to %i only the segments are read", async (start, end, segments) => {
    const { over, seen } = setUp();
    const backend = over({ encryption });
    await stream(backend, VALUE);
    expect((await drain(await backend.openRead("k", { start, end }))).equals(VALUE.subarray(start, end))).toBe(true);
    expect(seen.bytes).toBeLessThanOrEqual(segments * STORED + 200);
    expect(seen.open).toBe(0);
  });

  test("what was encrypted as a whole is read in parts too", async () => {
    const { over, seen } = setUp();
    const backend = over({ encryption });
    await put(backend, { key: "k", value: VALUE });
    const part = await drain(await backend.openRead("k", { start: 3 * SEGMENT, end: 4 * SEGMENT }));
    expect(part.equals(VALUE.subarray(3 * SEGMENT, 4 * SEGMENT))).toBe(true);
    expect(seen.bytes).toBeLessThan(2 * STORED);
  });

  test.each([false, true])("a large compressed value is read in pieces (encrypted: %s)", async (encrypted) => {
    const { over, raw, seen } = setUp();
    const backend = over({ compression: { algorithm: "brotli" }, ...(encrypted && { encryption }) });
    const value = Buffer.concat(
      Array.from({ length: 12 }, (_, i) => Buffer.concat([pattern(40_000, i), Buffer.alloc(1_000_000, i)])),
    );
    await put(backend, { key: "k", value });
    expect(raw().length).toBeLessThan(600_000);
    const reader = await backend.openRead("k");
    let length = 0;
    for await (const piece of reader?.body ?? []) {
      expect(piece.length).toBeLessThanOrEqual(CHUNK_BYTES);
      if (!value.subarray(length, length + piece.length).equals(piece)) throw new Error(`other bytes at ${length}`);
      length += piece.length;
    }
    expect(length).toBe(value.length);
    const part = await drain(await backend.openRead("k", { start: 1_000_000, end: 3_000_000 }));
    expect(part.equals(value.subarray(1_000_000, 3_000_000))).toBe(true);
    expect(seen.open).toBe(0);
  });

  test("a plain one that begins with the magic comes back, in pieces of any size", async () => {
    const { over, raw } = setUp();
    const header = makeHeader({ algorithm: undefined, size: 4, encryption: undefined });
    for (const pieceBytes of [1, 3, 8, 1000]) {
      for (const value of [
        Buffer.concat([header, Buffer.from("more")]),
        header.subarray(0, 8),
        header.subarray(0, 7),
        Buffer.from("plain"),
      ]) {
        const writer = await over({}).openWrite({ key: "k" });
        await writer.write(Buffer.alloc(0));
        for (let at = 0; at < value.length; at += pieceBytes) await writer.write(value.subarray(at, at + pieceBytes));
        await writer.commit();
        expect(raw().equals(value)).toBe(!isTransformed(value));
        const backend = over({ encryption });
        expect((await drain(await backend.openRead("k"))).equals(value)).toBe(true);
        expect((await drain(await backend.openRead("k", { start: 2, end: 6 }))).equals(value.subarray(2, 6))).toBe(
          true,
        );
        expect(Buffer.from((await backend.getMany(["k"]))[0]?.value ?? []).equals(value)).toBe(true);
      }
    }
  });

  const segment = (stored: Buffer, i: number) => stored.subarray(HEADER + i * STORED, HEADER + (i + 1) * STORED);
  const without = (stored: Buffer, i: number) =>
    Buffer.concat([stored.subarray(0, HEADER + i * STORED), stored.subarray(HEADER + (i + 1) * STORED)]);
  const TAMPERED: Record<string, (stored: Buffer) => Buffer> = {
    "a segment left out": (stored) => without(stored, 4),
    "cut after a segment": (stored) => stored.subarray(0, HEADER + 10 * STORED),
    "cut after the first": (stored) => stored.subarray(0, HEADER + STORED),
    "cut after the header": (stored) => stored.subarray(0, HEADER),
    "two segments exchanged": (stored) => {
      const out = Buffer.from(stored);
      segment(stored, 2).copy(segment(out, 3));
      segment(stored, 3).copy(segment(out, 2));
      return out;
    },
    "a segment twice": (stored) =>
      Buffer.concat([stored.subarray(0, HEADER + 2 * STORED), stored.subarray(HEADER + STORED)]),
    "a bit flipped at the end": (stored) => {
      const out = Buffer.from(stored);
      out[out.length - 1] = (out[out.length - 1] ?? 0) ^ 1;
      return out;
    },
    "more behind it": (stored) => Buffer.concat([stored, Buffer.alloc(100)]),
  };
  test.each(Object.entries(TAMPERED))("%s: no reader takes it for whole, and it is removed", async (_, change) => {
    const { inner, over, raw, seen } = setUp();
    const backend = over({ encryption });
    await stream(backend, VALUE);
    const damaged = change(raw());
    await put(inner, { key: "k", value: damaged });
    expect(await backend.getMany(["k"])).toEqual([undefined]);
    expect(inner.getMany(["k"])).toEqual([undefined]);

    await put(inner, { key: "k", value: damaged });
    const reader = await backend.openRead("k");
    if (reader) {
      const given: Uint8Array[] = [];
      const reading = (async () => {
        for await (const piece of reader.body) given.push(piece);
      })();
      const error = await reading.then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(CacheError);
      expect(error).toMatchObject({ kind: "serialization", code: "damaged-value", key: "k" });
      const got = Buffer.concat(given);
      expect(got.equals(VALUE.subarray(0, got.length))).toBe(true);
    }
    expect(inner.getMany(["k"])).toEqual([undefined]);
    expect(seen.open).toBe(0);
  });

  test("replaced between the look at its header and the reading of a part, the part is of one of both", async () => {
    const { inner, over, seen } = setUp();
    const backend = over({ encryption });
    await stream(backend, VALUE);
    await put(backend, { key: "other", value: pattern(SIZE, 2) });
    await put(inner, entry("small", "0123456789"));
    seen.before = (opening) => {
      if (opening === 1) inner.setMany([entry("k", "0123456789")]);
    };
    seen.opened = 0;
    expect((await drain(await backend.openRead("k", { start: 2, end: 5 }))).toString()).toBe("234");
    seen.before = () => inner.setMany([entry("k", "0123456789")]);
    expect((await drain(await backend.openRead("k", { start: 2, end: 5 }))).toString()).toBe("234");
    seen.before = undefined;
    expect(seen.open).toBe(0);
  });

  test.each(["compressed", "in segments"])("closed early, the store's reader is closed (%s)", async (how) => {
    const { over, seen } = setUp();
    const backend = over(how === "compressed" ? { compression: { algorithm: "gzip" }, encryption } : { encryption });
    await put(backend, { key: "k", value: how === "compressed" ? Buffer.alloc(5_000_000) : VALUE });
    const reader = await backend.openRead("k");
    for await (const piece of reader?.body ?? []) if (piece.length > 0) break;
    expect(seen.open).toBe(0);
    const unread = await backend.openRead("k");
    unread?.close();
    unread?.close();
    expect(seen.open).toBe(0);
    expect((await texts(backend, ["k"]))[0]?.length).toBeGreaterThan(0);
  });

  test("aborted, it was never there", async () => {
    const { over, raw } = setUp();
    const writer = await over({ encryption }).openWrite({ key: "k" });
    await writer.write(VALUE);
    await writer.abort();
    await expect(writer.write(Buffer.alloc(1))).rejects.toThrow();
    await expect(writer.commit()).rejects.toThrow();
    expect(raw().length).toBe(0);
  });
});
