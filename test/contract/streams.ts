import { describe, expect, test } from "vitest";
import {
  type Backend,
  CHUNK_BYTES,
  type EntryInfo,
  type NewEntry,
  type SetOptions,
} from "../../src/backends/backend.js";
import { TRANSFORM_MAGIC } from "../../src/backends/envelope.js";
import { codeOf } from "../../src/errors.js";
import { drain, leased, openFull, openTwo, pattern, versionOf } from "./full.js";
import { bytes, type Current, entry, keysOf, listed, put, texts } from "./harness.js";

const LARGE = 3_000_007;

/** Writes a value as a stream, in pieces of odd sizes. */
async function stream(
  backend: Backend,
  head: Omit<NewEntry, "value">,
  value: Uint8Array,
  options?: SetOptions,
  pieceBytes = 100_003,
) {
  const writer = await backend.openWrite(head, options);
  for (let i = 0; i < value.length; i += pieceBytes) await writer.write(value.subarray(i, i + pieceBytes));
  return writer.commit();
}

const isSame = (value: Uint8Array | undefined, wanted: Uint8Array) =>
  value !== undefined && Buffer.from(value.buffer, value.byteOffset, value.length).equals(wanted);

export function describeStreams(current: Current): void {
  describe("streams", () => {
    test.each([100, 20_000, CHUNK_BYTES, LARGE])("pieces of %i bytes are their receiver's", async (size) => {
      const [one, two] = await openTwo(current, "n:");
      const value = pattern(size);
      await stream(one, { key: "k" }, value);
      for (let round = 0; round < 2; round++) {
        const reader = await two.openRead("k");
        const copies: Buffer[] = [];
        for await (const piece of reader?.body ?? []) {
          copies.push(Buffer.from(piece));
          const { buffer, byteLength } = piece;
          piece.fill(0);
          if (byteLength > 16_384 && byteLength === buffer.byteLength)
            structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
        }
        expect(Buffer.concat(copies).equals(value)).toBe(true);
      }
      const [stored] = await two.getMany(["k"]);
      expect(isSame(stored?.value, value)).toBe(true);
    });

    test.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, CHUNK_BYTES * 2, LARGE])(
      "%i bytes are one entry, read in pieces or as a whole",
      async (size) => {
        const [one, two] = await openTwo(current, "n:");
        const value = pattern(size);
        expect(await stream(one, { key: "k", tags: ["t"] }, value)).toBe("stored");
        const reader = await two.openRead("k");
        expect(reader?.head).toMatchObject({ size, tags: ["t"] });
        const sizes: number[] = [];
        const pieces: Uint8Array[] = [];
        for await (const piece of reader?.body ?? []) {
          sizes.push(piece.length);
          pieces.push(piece);
        }
        reader?.close();
        reader?.close();
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(CHUNK_BYTES);
        expect(Buffer.concat(pieces).equals(value)).toBe(true);
        const [stored, plain] = await two.getMany(["k", "absent"], { want: "all" });
        expect(isSame(stored?.value, value)).toBe(true);
        expect(stored?.size).toBe(size);
        expect(plain).toBeUndefined();
        expect(await listed(two, { all: true })).toEqual(["k"]);
        const scanned: EntryInfo[] = [];
        for await (const page of two.scan({ all: true }, { fields: "all" })) scanned.push(...page.entries);
        expect(scanned).toMatchObject([{ key: "k", size, tags: ["t"] }]);
        const info = await two.describe();
        if (info.entries !== undefined) expect(info.entries).toBe(1);
        if (info.bytes !== undefined) expect(info.bytes).toBe(size);
        expect(await two.deleteWhere({ tags: ["t"] })).toMatchObject({ deleted: 1, complete: true });
        expect(await two.openRead("k")).toBeUndefined();
        expect(await keysOf(one)).toEqual([]);
      },
    );

    test("however small the writes are", async () => {
      const backend = await openFull(current);
      const value = pattern(5000);
      expect(await stream(backend, { key: "k" }, value, {}, 7)).toBe("stored");
      expect((await drain(await backend.openRead("k"))).equals(value)).toBe(true);
    });

    test("one write may be larger than a piece", async () => {
      const backend = await openFull(current);
      const value = pattern(CHUNK_BYTES * 3 + 5);
      expect(await stream(backend, { key: "k" }, value, {}, value.length)).toBe("stored");
      expect((await drain(await backend.openRead("k"))).equals(value)).toBe(true);
    });

    test("a piece is the writer's own, and so is what a reader gives", async () => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      const piece = Buffer.alloc(70_000, 1);
      for (let i = 1; i <= 8; i++) {
        piece.fill(i);
        await writer.write(piece);
      }
      piece.fill(99);
      await writer.commit();
      for (let round = 0; round < 2; round++) {
        let at = 0;
        const reader = await backend.openRead("k");
        for await (const part of reader?.body ?? []) {
          for (const byte of part) if (byte !== Math.floor(at++ / 70_000) + 1) throw new Error(`${byte} at ${at - 1}`);
          part.fill(0);
        }
        reader?.close();
        expect(at).toBe(560_000);
      }
    });

    test("what was set as a whole is read in pieces too", async () => {
      const backend = await openFull(current);
      const value = pattern(700_000);
      await put(backend, { key: "large", value, tags: ["t"] }, entry("small", "text"), entry("empty", ""));
      const reader = await backend.openRead("large");
      expect(reader?.head.size).toBe(700_000);
      for await (const piece of (await backend.openRead("large"))?.body ?? [])
        expect(piece.length).toBeLessThanOrEqual(CHUNK_BYTES);
      expect((await drain(reader)).equals(value)).toBe(true);
      expect((await drain(await backend.openRead("small"))).toString()).toBe("text");
      expect((await drain(await backend.openRead("empty"))).length).toBe(0);
      expect(await backend.openRead("absent")).toBeUndefined();
    });

    const RANGES: [start: number | undefined, end: number | undefined][] = [
      [0, 1],
      [5, undefined],
      [undefined, 17],
      [CHUNK_BYTES - 1, CHUNK_BYTES + 1],
      [CHUNK_BYTES, CHUNK_BYTES * 2],
      [CHUNK_BYTES * 2, undefined],
      [100_000, 2_000_000],
      [LARGE - 1, LARGE],
      [LARGE - 1, LARGE + 1000],
      [LARGE, undefined],
      [LARGE + 5, LARGE + 10],
      [700, 700],
    ];
    test.each(RANGES)("the part from %s to %s", async (start, end) => {
      const backend = await openFull(current);
      const value = pattern(LARGE);
      await stream(backend, { key: "k" }, value);
      await put(backend, entry("small", "0123456789"));
      const range = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
      const reader = await backend.openRead("k", range);
      expect(reader?.head.size).toBe(LARGE);
      expect((await drain(reader)).equals(value.subarray(start, end))).toBe(true);
      const small = await drain(await backend.openRead("small", range));
      expect(small.toString()).toBe("0123456789".slice(start, end));
    });

    test.each([
      [-2, undefined],
      [1.5, undefined],
      [Number.NaN, undefined],
      [0, -1],
      [0, 2.5],
      [0, Number.NaN],
      [Number.POSITIVE_INFINITY, undefined],
    ])("a part from %s to %s is none", async (start, end) => {
      const backend = await openFull(current);
      await put(backend, entry("k", "0123456789"));
      const range = { start, ...(end !== undefined && { end }) };
      const refused = { kind: "usage", code: "invalid-range" };
      await expect(backend.openRead("k", range)).rejects.toMatchObject(refused);
      expect((await drain(await backend.openRead("k"))).toString()).toBe("0123456789");
    });

    test.each([50_000, 600_000])("who waits for no write finds his pieces of %i bytes in order", async (size) => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      const pieces = Array.from({ length: 12 }, (_, i) => pattern(size, i));
      await Promise.all(pieces.map((piece) => writer.write(piece)));
      expect(await writer.commit()).toBe("stored");
      expect((await drain(await backend.openRead("k"))).equals(Buffer.concat(pieces))).toBe(true);
    });

    test("a commit holds all that was written before it, also what nobody waited for", async () => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      const pieces = Array.from({ length: 5 }, (_, i) => pattern(400_000, i));
      const writes = pieces.map((piece) => writer.write(piece));
      const [outcome] = await Promise.all([writer.commit(), ...writes]);
      expect(outcome).toBe("stored");
      expect((await drain(await backend.openRead("k"))).equals(Buffer.concat(pieces))).toBe(true);
    });

    test("what begins like a value that is transformed is kept in order too", async () => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      const magic = Buffer.from(TRANSFORM_MAGIC);
      const pieces = [
        magic.subarray(0, 1),
        magic.subarray(1),
        ...Array.from({ length: 5 }, (_, i) => pattern(70_000, i)),
      ];
      await Promise.all(pieces.map((piece) => writer.write(piece)));
      expect(await writer.commit()).toBe("stored");
      expect((await drain(await backend.openRead("k"))).equals(Buffer.concat(pieces))).toBe(true);
    });

    test("who gives a value up while pieces are on their way leaves nothing", async () => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      const writes = Array.from({ length: 5 }, () => writer.write(pattern(400_000)));
      const [, ...ends] = await Promise.all([writer.abort(), ...writes.map((write) => write.catch(codeOf))]);
      expect(ends.filter((end) => end !== undefined && end !== "writer-closed")).toEqual([]);
      await expect(writer.commit()).rejects.toMatchObject({ kind: "usage", code: "writer-closed" });
      await expect(writer.write(bytes("x"))).rejects.toMatchObject({ kind: "usage", code: "writer-closed" });
      expect(await keysOf(backend)).toEqual([]);
      const info = await backend.describe();
      if (info.bytes !== undefined) expect(info.bytes).toBe(0);
    });

    test.each([3, 900_000])("of %i bytes whose signal is given nothing is stored", async (size) => {
      const backend = await openFull(current);
      const end = new AbortController();
      const [one, two] = [
        await backend.openWrite({ key: "a" }, { signal: end.signal }),
        await backend.openWrite({ key: "b" }, { signal: end.signal }),
      ];
      for (const writer of [one, two]) await writer.write(pattern(size));
      end.abort();
      await expect(one.commit()).rejects.toMatchObject({ kind: "timeout", code: "aborted" });
      await expect(two.write(bytes("x"))).rejects.toMatchObject({ kind: "timeout", code: "aborted" });
      await expect(two.commit()).rejects.toThrow();
      for (const writer of [one, two]) await writer.abort();
      expect(await keysOf(backend)).toEqual([]);
    });

    test("before its commit it is seen by nobody, and what was there stays", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("old", "still", { tags: ["t"] }));
      const version = await versionOf(one, "old");
      const writers = [await one.openWrite({ key: "new", tags: ["t"] }), await one.openWrite({ key: "old" })];
      for (const writer of writers) {
        for (let i = 0; i < 8; i++) await writer.write(pattern(100_000, i));
        expect(await texts(two, ["new", "old"])).toEqual([undefined, "still"]);
        expect(await keysOf(two)).toEqual(["old"]);
        expect(await keysOf(two, { tags: ["t"] })).toEqual(["old"]);
        expect(await two.openRead("new")).toBeUndefined();
        expect(await versionOf(two, "old")).toBe(version);
        expect(await two.touchMany([{ key: "new", expiresAt: null }])).toEqual([false]);
      }
      for (const writer of writers) expect(await writer.commit()).toBe("stored");
      expect(await keysOf(two)).toEqual(["new", "old"]);
      expect((await two.getMany(["old"]))[0]?.size).toBe(800_000);
      expect(await keysOf(two, { tags: ["t"] })).toEqual(["new"]);
    });

    test("what is aborted was never there", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("k", "still"));
      for (const key of ["k", "l"]) {
        const writer = await one.openWrite({ key });
        for (let i = 0; i < 5; i++) await writer.write(pattern(200_000));
        await writer.abort();
        await writer.abort();
        await expect(writer.write(bytes("x"))).rejects.toThrow();
        await expect(writer.commit()).rejects.toThrow();
      }
      expect(await texts(two, ["k", "l"])).toEqual(["still", undefined]);
      expect(await keysOf(two)).toEqual(["k"]);
      const info = await two.describe();
      if (info.bytes !== undefined) expect(info.bytes).toBe(5);
    });

    test("after its commit a writer is over", async () => {
      const backend = await openFull(current);
      const writer = await backend.openWrite({ key: "k" });
      await writer.write(bytes("v"));
      await writer.commit();
      await writer.abort();
      await expect(writer.write(bytes("x"))).rejects.toThrow();
      await expect(writer.commit()).rejects.toThrow();
      expect(await texts(backend, ["k"])).toEqual(["v"]);
    });

    const GONE: Record<string, (backend: Backend) => unknown> = {
      deleted: (b) => b.deleteMany(["k"]),
      "deleted by prefix": (b) => b.deleteWhere({ prefix: "k" }),
      "deleted with everything": (b) => b.deleteWhere({ all: true }),
      "overwritten as a whole": (b) => b.setMany([entry("k", "new")]),
      "overwritten by a stream": (b) => stream(b, { key: "k" }, pattern(900_000, 2)),
      "replaced in a batch": (b) => b.atomic([{ set: entry("k", "new") }]),
    };
    test.each(Object.entries(GONE))("who reads an entry that is %s reads it to its end", async (_, act) => {
      const [one, two] = await openTwo(current);
      const value = pattern(LARGE);
      await stream(one, { key: "k" }, value);
      const readers = [await one.openRead("k"), await two.openRead("k"), await two.openRead("k", { start: 1_000_000 })];
      const begun = readers[0]?.body[Symbol.asyncIterator]();
      const first = await begun?.next();
      await act(two);
      await two.prune();
      const pieces: Uint8Array[] = first?.done === false ? [first.value] : [];
      for (let next = await begun?.next(); next && next.done !== true; next = await begun?.next())
        pieces.push(next.value);
      readers[0]?.close();
      expect(Buffer.concat(pieces).equals(value)).toBe(true);
      expect((await drain(readers[1])).equals(value)).toBe(true);
      expect((await drain(readers[2])).equals(value.subarray(1_000_000))).toBe(true);
    });

    test("who stops reading in the middle leaves it whole", async () => {
      const backend = await openFull(current);
      const value = pattern(LARGE);
      await stream(backend, { key: "k" }, value);
      for (let i = 0; i < 3; i++) {
        const reader = await backend.openRead("k");
        for await (const piece of reader?.body ?? []) {
          expect(piece.length).toBeGreaterThan(0);
          break;
        }
        reader?.close();
      }
      expect((await drain(await backend.openRead("k"))).equals(value)).toBe(true);
    });

    test("it has tags, deadlines and meta like any entry", async () => {
      const { clock, shortTtl, advance, deadlineTolerance } = current();
      const [one, two] = await openTwo(current);
      const expiresAt = clock.now() + 3_600_000;
      const head = { tags: ["t", "u"], meta: bytes("meta"), staleAt: expiresAt - 1_000_000, expiresAt };
      await stream(one, { key: "k", ...head }, pattern(600_000));
      const reader = await two.openRead("k");
      reader?.close();
      expect(Math.abs((reader?.head.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(reader?.head.staleAt).toBeDefined();
      expect([...(reader?.head.tags ?? [])].sort()).toEqual(["t", "u"]);
      expect(Buffer.from(reader?.head.meta ?? []).toString()).toBe("meta");
      expect(await keysOf(two, { tags: ["t", "u"], tagMode: "all" })).toEqual(["k"]);
      expect(await keysOf(two, { minSize: 600_000 })).toEqual(["k"]);
      expect(await keysOf(two, { minSize: 600_001 })).toEqual([]);
      const soon = clock.now() + shortTtl;
      expect(await two.touchMany([{ key: "k", expiresAt: soon }])).toEqual([true]);
      await stream(one, { key: "short", expiresAt: soon + shortTtl }, pattern(600_000));
      await advance(2 * shortTtl);
      expect(await two.openRead("k")).toBeUndefined();
      expect(await texts(two, ["k", "short"])).toEqual([undefined, undefined]);
      expect(await keysOf(two, { tags: ["t"] })).toEqual([]);
    });

    test("overwritten by a whole value nothing of it is left", async () => {
      const backend = await openFull(current);
      await stream(backend, { key: "k", tags: ["t"] }, pattern(600_000));
      await put(backend, entry("k", "small"));
      expect(await texts(backend, ["k"])).toEqual(["small"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
      expect(await listed(backend, { all: true })).toEqual(["k"]);
      const info = await backend.describe();
      if (info.bytes !== undefined) expect(info.bytes).toBe(5);
    });

    test("of two that write one key the last commit wins", async () => {
      const [one, two] = await openTwo(current);
      const [first, second] = [await one.openWrite({ key: "k" }), await two.openWrite({ key: "k" })];
      await Promise.all([first.write(pattern(600_000, 1)), second.write(pattern(600_000, 2))]);
      await second.commit();
      await first.commit();
      expect((await drain(await two.openRead("k"))).equals(pattern(600_000, 1))).toBe(true);
    });

    test("the mode is judged when it is committed", async () => {
      const [one, two] = await openTwo(current);
      const absent = await one.openWrite({ key: "a" }, { mode: "if-absent" });
      const present = await one.openWrite({ key: "b" }, { mode: "if-present" });
      await absent.write(bytes("stream"));
      await present.write(bytes("stream"));
      await put(two, entry("a", "set"), entry("b", "set"));
      expect(await absent.commit()).toBe("condition");
      expect(await present.commit()).toBe("stored");
      expect(await texts(two, ["a", "b"])).toEqual(["set", "stream"]);
    });

    test("a copy that a change overtook is not stored", async () => {
      const [one, two] = await openTwo(current);
      const since = await one.position();
      const [kept, purged] = [
        await one.openWrite({ key: "a", tags: ["t"] }, { since }),
        await one.openWrite({ key: "b", tags: ["u"] }, { since }),
      ];
      for (const writer of [kept, purged]) await writer.write(pattern(400_000));
      await two.deleteWhere({ tags: ["u"] });
      expect(await kept.commit()).toBe("stored");
      expect(await purged.commit()).toBe("condition");
      expect(await keysOf(two)).toEqual(["a"]);
    });

    const OVERTAKEN_BY: Record<string, (backend: Backend) => unknown> = {
      "a deletion": (b) => b.deleteMany(["k"]),
      "a set": (b) => b.setMany([entry("k", "set")]),
      "a purge of its tag": (b) => b.deleteWhere({ tags: ["t"] }),
      "another stream": (b) => stream(b, { key: "k" }, bytes("set")),
    };
    test.each(Object.entries(OVERTAKEN_BY))("under a lease it is not stored after %s", async (_, act) => {
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k");
      const writer = await one.openWrite({ key: "k", tags: ["t"] });
      await writer.write(pattern(600_000));
      await act(two);
      const left = await texts(two, ["k"]);
      expect(await writer.commit(lease)).toBe("condition");
      expect(await texts(two, ["k"])).toEqual(left);
      const info = await two.describe();
      if (info.bytes !== undefined) expect(info.bytes).toBe(left[0]?.length ?? 0);
    });

    test("under a lease that is still ours it is stored, and the lease is given back", async () => {
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k");
      const writer = await one.openWrite({ key: "k", tags: ["t"] });
      await writer.write(pattern(600_000));
      await two.deleteWhere({ tags: ["other"] });
      expect(await writer.commit(lease)).toBe("stored");
      await leased(two, "k", 1000, await versionOf(two, "k"));
    });

    test("under a lease that ended it is not", async () => {
      const { shortTtl, advance } = current();
      const backend = await openFull(current);
      const lease = await leased(backend, "k", shortTtl);
      const writer = await backend.openWrite({ key: "k" });
      await writer.write(pattern(600_000));
      await advance(shortTtl);
      expect(await writer.commit(lease)).toBe("condition");
      expect(await keysOf(backend)).toEqual([]);
    });

    test("what was never committed is not there when the store is opened again", async () => {
      const first = await openFull(current, "n:");
      const writer = await first.openWrite({ key: "k" });
      for (let i = 0; i < 5; i++) await writer.write(pattern(200_000));
      await first.close();
      const second = await openFull(current, "n:");
      expect(await keysOf(second)).toEqual([]);
      const info = await second.describe();
      if (info.bytes !== undefined) expect(info.bytes).toBe(0);
    });
  });
}
