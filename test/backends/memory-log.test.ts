import { describe, expect, onTestFinished, test } from "vitest";
import { type MemoryBackend, type MemoryOptions, openMemory } from "../../src/backends/memory/index.js";
import { drain, leased, pattern } from "../contract/full.js";
import { entry, keysOf, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";

function opened(more: Partial<MemoryOptions> = {}): { clock: FakeClock; backend: MemoryBackend } {
  const clock = new FakeClock();
  const backend = openMemory({ namespace: "", clock, emit: () => {}, maxEntries: 100_000, ...more });
  onTestFinished(async () => {
    expect(backend.contradictions()).toEqual([]);
    await backend.close();
  });
  return { clock, backend };
}

describe("the log of a memory store", () => {
  const firstPage = async (backend: MemoryBackend, after: string) => {
    for await (const page of backend.changes(after, new AbortController().signal)) return page;
    throw new Error("no page");
  };

  test("is a ring: what fell out of it is a gap, and nothing is stored over the loss", async () => {
    const { backend } = opened();
    const since = backend.position();
    const lease = await leased(backend, "load");
    for (let i = 0; i < 10_000; i++) backend.announce("delete", { keys: [`k${i}`] });
    const whole = await firstPage(backend, since);
    expect(whole).toMatchObject({ gap: false });
    expect(whole.changes.length).toBe(10_000);
    const middle = whole.position;
    backend.announce("delete", { keys: ["one more"] });
    expect(await firstPage(backend, since)).toMatchObject({ gap: true });
    expect((await firstPage(backend, middle)).changes).toMatchObject([{ selector: { keys: ["one more"] } }]);
    expect(backend.setMany([entry("unrelated")], { since })).toEqual(["condition"]);
    expect(backend.commit(entry("load"), lease)).toBe(false);
    expect(await keysOf(backend)).toEqual([]);
  });

  test("holds fewer changes when their names are long", async () => {
    const { backend } = opened();
    const since = backend.position();
    const names = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(1000, "x"));
    for (let i = 0; i < 100; i++) backend.announce("delete", { keys: names });
    expect(await firstPage(backend, since)).toMatchObject({ gap: true });
  });

  test("a position of another store, or of none, is a gap", async () => {
    const { backend } = opened();
    for (const position of [opened().backend.position(), "", "nonsense", `${backend.position()}9`]) {
      expect(await firstPage(backend, position)).toMatchObject({ gap: true, changes: [] });
      expect(backend.setMany([entry("k")], { since: position })).toEqual(["condition"]);
    }
  });

  test("what nobody listened to is a gap, and nothing is kept of it", async () => {
    const { backend, clock } = opened();
    const since = backend.position();
    clock.advance(60_001);
    expect(await firstPage(backend, since)).toMatchObject({ gap: false, changes: [] });
    clock.advance(60_001);
    backend.deleteMany(["k"]);
    expect(await firstPage(backend, since)).toMatchObject({ gap: true });
  });

  test("a lease keeps it for as long as it lasts", async () => {
    const { backend, clock } = opened();
    const lease = await leased(backend, "k", 100_000);
    clock.advance(99_000);
    backend.deleteMany(["other"]);
    expect(backend.renew(lease, 100_000)).toBe(true);
    clock.advance(99_000);
    backend.deleteMany(["another"]);
    expect(backend.commit(entry("k"), lease)).toBe(true);
  });

  test("what a caller changes in its selector afterwards changes nothing in the log", async () => {
    const { backend } = opened();
    const since = backend.position();
    const [keys, tags, deleted] = [["a"], ["t"], ["b"]];
    backend.announce("delete", { keys });
    backend.announce("delete", { tags });
    backend.deleteMany(deleted);
    for (const list of [keys, tags, deleted]) list[0] = "changed";
    expect((await firstPage(backend, since)).changes.map(({ selector }) => selector)).toEqual([
      { keys: ["a"] },
      { tags: ["t"] },
      { keys: ["b"] },
    ]);
  });

  test("closing ends whoever follows with an error that says closed", async () => {
    const { backend } = opened();
    const pages = backend.changes(backend.position(), new AbortController().signal);
    await pages.next();
    const waiting = pages.next();
    await backend.close();
    await expect(waiting).rejects.toMatchObject({ code: "closed" });
  });

  test("a load that a deletion overtook holds nobody up", async () => {
    const { backend } = opened();
    const first = await leased(backend, "k");
    expect(backend.lease("k", 1000)).toMatchObject({ outcome: "held" });
    backend.deleteWhere({ prefix: "k" });
    const second = await leased(backend, "k");
    expect(backend.commit(entry("k", "old"), first)).toBe(false);
    expect(backend.commit(entry("k", "new"), second)).toBe(true);
    expect(await texts(backend, ["k"])).toEqual(["new"]);
  });

  test("a lease is for its own key alone", async () => {
    const { backend } = opened();
    expect(backend.commit(entry("b"), await leased(backend, "a"))).toBe(false);
  });
});

describe("streams into memory", () => {
  test("are charged and evicted as one entry", async () => {
    const { backend } = opened({ maxBytes: 2_000_000, policy: "lru" });
    const write = async (key: string, size: number) => {
      const writer = await backend.openWrite({ key, tags: ["t"] });
      await writer.write(pattern(size));
      return writer.commit();
    };
    expect(await write("a", 900_000)).toBe("stored");
    expect(await write("b", 900_000)).toBe("stored");
    expect((await backend.describe()).facts.usedBytes).toBe(1_800_004);
    const reader = await backend.openRead("b");
    expect(await write("c", 300_000)).toBe("stored");
    expect(await keysOf(backend)).toEqual(["b", "c"]);
    expect(backend.counters().counters.evictions).toBe(1);
    expect(await write("d", 1_999_998)).toBe("stored");
    expect(await keysOf(backend)).toEqual(["d"]);
    expect((await drain(reader)).equals(pattern(900_000))).toBe(true);
  });

  test("larger than the store are rejected, keep nothing on the way, and the old value is gone", async () => {
    const { backend } = opened({ maxBytes: 1_000_000 });
    backend.setMany([entry("k", "old")]);
    const writer = await backend.openWrite({ key: "k" });
    for (let i = 0; i < 20; i++) await writer.write(Buffer.alloc(100_000));
    expect(await texts(backend, ["k"])).toEqual(["old"]);
    expect(await writer.commit()).toBe("rejected");
    expect(await texts(backend, ["k"])).toEqual([undefined]);
  });

  test("an aborted read fails instead of looking like the end", async () => {
    const { backend } = opened();
    backend.setMany([{ key: "k", value: Buffer.alloc(600_000) }]);
    const stop = new AbortController();
    const reader = await backend.openRead("k", { signal: stop.signal });
    const pieces = reader?.body[Symbol.asyncIterator]();
    await pieces?.next();
    stop.abort();
    await expect(pieces?.next()).rejects.toMatchObject({ code: "aborted" });
  });
});

test("a batch with a value that can't fit does nothing at all", async () => {
  const { backend } = opened({ maxBytes: 1000 });
  backend.setMany([entry("a", "old"), entry("b", "old")]);
  const since = backend.position();
  const steps = [{ set: entry("a", "new") }, { delete: "b" }, { set: { key: "c", value: Buffer.alloc(1000) } }];
  expect(() => backend.atomic(steps)).toThrow(expect.objectContaining({ code: "value-too-large", key: "c" }));
  expect(await texts(backend, ["a", "b", "c"])).toEqual(["old", "old", undefined]);
  expect(backend.setMany([entry("a", "copy")], { since })).toEqual(["stored"]);
});
