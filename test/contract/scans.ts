import { describe, expect, test } from "vitest";
import type { Backend, EntryInfo, ScanOptions } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";
import type { Selector } from "../../src/selector.js";
import { bytes, type Current, entry, keysOf, listed, put } from "./harness.js";

const numbered = (count: number, prefix = "key:") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

export function describeScans(current: Current): void {
  /** A scan in calls of at most `limit` entries, each beginning at the cursor of the one before. */
  async function listedInCalls(backend: Backend, selector: Selector, options: ScanOptions & { limit: number }) {
    const keys: string[] = [];
    let cursor: string | undefined;
    for (let calls = 0; ; calls++) {
      if (calls > 10_000) throw new Error("the cursor never comes to an end");
      const before = keys.length;
      const from: ScanOptions = cursor === undefined ? options : { ...options, cursor };
      cursor = undefined;
      for await (const page of backend.scan(selector, from)) {
        keys.push(...page.entries.map((info) => info.key));
        cursor = page.cursor;
      }
      expect(keys.length - before).toBeLessThanOrEqual(options.limit);
      if (cursor === undefined) return keys;
    }
  }

  const expectEachOnce = (backend: Backend, keys: string[], wanted: string[]) => {
    expect([...new Set(keys)].sort()).toEqual([...wanted].sort());
    if (!backend.capabilities.repeatsInScan) expect(keys.length).toBe(wanted.length);
  };

  describe("scans", () => {
    test("an empty store gives no entries and no cursor", async () => {
      const backend = await current().open();
      for await (const page of backend.scan({ all: true })) {
        expect(page.entries).toEqual([]);
        expect(page.cursor).toBeUndefined();
      }
      expect(await listedInCalls(backend, { prefix: "x" }, { limit: 10 })).toEqual([]);
    });

    test("every entry is listed, and the last page has no cursor", async () => {
      const backend = await current().open();
      const wanted = numbered(2500);
      await put(backend, ...wanted);
      const keys: string[] = [];
      let cursor: string | undefined = "unset";
      for await (const page of backend.scan({ all: true })) {
        keys.push(...page.entries.map((info) => info.key));
        cursor = page.cursor;
      }
      expectEachOnce(backend, keys, wanted);
      expect(cursor).toBeUndefined();
    });

    test.each([1, 7, 100, 1000])("limit %i and the cursor lead through all entries", async (limit) => {
      const backend = await current().open();
      const wanted = numbered(limit === 1 ? 40 : 1000);
      await put(backend, ...wanted, "other");
      expectEachOnce(backend, await listedInCalls(backend, { prefix: "key:" }, { limit }), wanted);
    });

    test.each<Selector>([{ all: true }, { match: "*[05]" }, { tags: ["t"] }, { minSize: 3 }, { keys: numbered(300) }])(
      "limit and cursor with %j",
      async (selector) => {
        const backend = await current().open();
        await put(backend, ...numbered(300).map((key, i) => entry(key, `${i}`, i % 3 === 0 ? { tags: ["t"] } : {})));
        const wanted = await keysOf(backend, selector);
        expect(wanted.length).toBeGreaterThan(50);
        expectEachOnce(backend, await listedInCalls(backend, selector, { limit: 17 }), wanted);
      },
    );

    test("a limit is never exceeded and a cursor follows when there is more", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(50));
      const pages = [];
      for await (const page of backend.scan({ all: true }, { limit: 20 })) pages.push(page);
      expect(pages.flatMap((page) => page.entries).length).toBe(20);
      expect(pages.at(-1)?.cursor).toBeTypeOf("string");
    });

    test("leaving a scan early leaves the backend usable", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(1500));
      for await (const page of backend.scan({ all: true })) {
        expect(page.entries.length).toBeGreaterThan(0);
        break;
      }
      await put(backend, "after");
      expect((await backend.deleteWhere({ all: true })).deleted).toBe(1501);
    });

    test("what was there all the time is listed while others are written, overwritten and deleted", async () => {
      const backend = await current().open();
      const stable = numbered(1200, "stable:");
      const doomed = numbered(300, "doomed:");
      await put(backend, ...stable, ...doomed);
      const keys: string[] = [];
      let round = 0;
      let cursor: string | undefined;
      do {
        for await (const page of backend.scan(
          { all: true },
          cursor === undefined ? { limit: 90 } : { cursor, limit: 90 },
        )) {
          keys.push(...page.entries.map((info) => info.key));
          cursor = page.cursor;
          await put(backend, ...numbered(20, `new:${round}:`));
          await put(backend, ...stable.slice(round * 30, round * 30 + 60).map((key) => entry(key, "overwritten")));
          await backend.getMany(stable.slice(0, 50));
          await backend.deleteMany(doomed.slice(round * 20, round * 20 + 20));
          round += 1;
        }
      } while (cursor !== undefined && round < 500);
      expect(cursor).toBeUndefined();
      const seen = keys.filter((key) => key.startsWith("stable:"));
      expectEachOnce(backend, seen, stable);
    });

    test("one scan ends although its reader writes an entry for every one it sees", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(600));
      const seen = new Set<string>();
      for await (const page of backend.scan({ all: true })) {
        for (const info of page.entries) seen.add(info.key);
        if (seen.size < 5000) await put(backend, ...page.entries.map((info) => `${info.key}+`));
      }
      expect(numbered(600).filter((key) => !seen.has(key))).toEqual([]);
    });

    test("fields all gives everything but the value", async () => {
      const { open, clock, deadlineTolerance } = current();
      const backend = await open();
      const expiresAt = clock.now() + 3_600_000;
      const staleAt = clock.now() + 60_000;
      await put(backend, entry("full", "12345", { expiresAt, staleAt, tags: ["b", "a"], meta: bytes("m") }), "plain");
      const found = new Map<string, EntryInfo>();
      for await (const page of backend.scan({ all: true }, { fields: "all" })) {
        for (const info of page.entries) found.set(info.key, info);
      }
      const full = found.get("full");
      expect(full?.size).toBe(5);
      expect(Math.abs((full?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(Math.abs((full?.staleAt ?? 0) - staleAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect([...(full?.tags ?? [])].sort()).toEqual(["a", "b"]);
      expect(Buffer.from(full?.meta ?? []).toString()).toBe("m");
      expect(found.get("plain")?.expiresAt).toBeUndefined();
      expect(found.get("plain")?.size).toBe("value of plain".length);
    });

    test("an aborted scan comes to its end, early or with an error that says so", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(2500));
      const abort = new AbortController();
      const seen: string[] = [];
      const scan = async () => {
        for await (const page of backend.scan({ all: true }, { signal: abort.signal })) {
          seen.push(...page.entries.map((info) => info.key));
          abort.abort();
        }
      };
      await scan().catch((error: unknown) => expect(error).toBeInstanceOf(CacheError));
      expect(seen.length).toBeLessThan(2500);
      expect((await keysOf(backend)).length).toBe(2500);
    });

    test("a cursor that is none is refused", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(10));
      await expect(listed(backend, { all: true }, { cursor: "no such cursor" })).rejects.toBeInstanceOf(CacheError);
    });
  });
}
