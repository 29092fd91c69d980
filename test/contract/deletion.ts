import { describe, expect, test } from "vitest";
import type { DeleteOptions, DeleteReport } from "../../src/backends/backend.js";
import { type Current, entry, keysOf, put, textOf } from "./harness.js";

const numbered = (count: number, prefix = "key:") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

export function describeDeletion(current: Current): void {
  const goingOn = (report: DeleteReport): DeleteOptions =>
    report.cursor === undefined ? {} : { cursor: report.cursor };

  describe("deleteWhere", () => {
    test("deletes what the selector holds, counts it, and leaves the rest", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(2500, "gone:"), ...numbered(10, "stays:"));
      const report = await backend.deleteWhere({ prefix: "gone:" });
      expect(report).toMatchObject({ deleted: 2500, softened: 0, complete: true });
      expect(report.cursor).toBeUndefined();
      expect(await keysOf(backend)).toEqual(numbered(10, "stays:").sort());
    });

    test("nothing to delete is complete", async () => {
      const backend = await current().open();
      expect(await backend.deleteWhere({ all: true })).toMatchObject({ deleted: 0, softened: 0, complete: true });
      await put(backend, "k");
      expect(await backend.deleteWhere({ prefix: "x" })).toMatchObject({ deleted: 0, complete: true });
      expect(await backend.deleteWhere({ tags: ["x"] })).toMatchObject({ deleted: 0, complete: true });
      expect(await keysOf(backend)).toEqual(["k"]);
    });

    test("a limit is exact, and the cursor goes on to the end", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(250), "other");
      let report = await backend.deleteWhere({ prefix: "key:" }, { limit: 100 });
      expect(report).toMatchObject({ deleted: 100, complete: false });
      expect((await keysOf(backend)).length).toBe(151);
      let deleted = report.deleted;
      for (let calls = 0; !report.complete && calls < 20; calls++) {
        report = await backend.deleteWhere({ prefix: "key:" }, { ...goingOn(report), limit: 100 });
        expect(report.deleted).toBeLessThanOrEqual(100);
        deleted += report.deleted;
      }
      expect(report.complete).toBe(true);
      expect(deleted).toBe(250);
      expect(await keysOf(backend)).toEqual(["other"]);
    });

    test.each([{ keys: numbered(30) }, { tags: ["t"] }, { match: "key:*" }])("a limit with %j", async (selector) => {
      const backend = await current().open();
      await put(backend, ...numbered(30).map((key) => entry(key, "v", { tags: ["t"] })));
      const first = await backend.deleteWhere(selector, { limit: 10 });
      expect(first).toMatchObject({ deleted: 10, complete: false });
      expect((await keysOf(backend)).length).toBe(20);
      const rest = await backend.deleteWhere(selector, goingOn(first));
      expect(rest).toMatchObject({ deleted: 20, complete: true });
      expect(await keysOf(backend)).toEqual([]);
    });

    test("progress is told, never backwards, and ends at the whole", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(2500));
      const told: number[] = [];
      await backend.deleteWhere({ all: true }, { onProgress: (done) => told.push(done) });
      expect(told).toEqual([...told].sort((a, b) => a - b));
      expect(told.at(-1)).toBe(2500);
    });

    test("a signal stops it at a safe point that the cursor goes on from", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(3000));
      const abort = new AbortController();
      const first = await backend.deleteWhere({ all: true }, { signal: abort.signal, onProgress: () => abort.abort() });
      expect(first.deleted).toBeGreaterThan(0);
      expect((await keysOf(backend)).length).toBe(3000 - first.deleted);
      if (first.complete && current().stopsLate) return;
      expect(first.complete).toBe(false);
      const rest = await backend.deleteWhere({ all: true }, goingOn(first));
      expect(rest).toMatchObject({ deleted: 3000 - first.deleted, complete: true });
      expect(await keysOf(backend)).toEqual([]);
    });

    test("a signal that was given before deletes nothing", async () => {
      const backend = await current().open();
      await put(backend, "a", "b");
      const report = await backend.deleteWhere({ all: true }, { signal: AbortSignal.abort() });
      expect(report).toMatchObject({ deleted: 0, complete: false });
      expect(await keysOf(backend)).toEqual(["a", "b"]);
    });

    test("what is written while it runs is either gone or there, never half", async () => {
      const backend = await current().open();
      await put(backend, ...numbered(2000).map((key) => entry(key, "old", { tags: ["t"] })));
      const deletion = backend.deleteWhere({ prefix: "key:" });
      await put(backend, ...numbered(100, "key:new:"), ...numbered(50, "kept:"));
      const report = await deletion;
      const left = await keysOf(backend);
      expect(left.filter((key) => /^key:\d/.test(key))).toEqual([]);
      expect(left.filter((key) => key.startsWith("kept:")).length).toBe(50);
      const fresh = left.filter((key) => key.startsWith("key:new:"));
      expect(report.deleted + fresh.length).toBe(2100);
    });
  });

  describe("soft deletion", () => {
    test("marks what has a stale window as stale now and deletes the others", async () => {
      const { open, clock, deadlineTolerance } = current();
      const backend = await open();
      const [staleAt, expiresAt] = [clock.now() + 60_000, clock.now() + 3_600_000];
      await put(
        backend,
        entry("p:window", "v", { staleAt, expiresAt, tags: ["t"], meta: Buffer.from("m") }),
        entry("p:forever", "v", { staleAt }),
        entry("p:timed", "v", { expiresAt }),
        "p:plain",
        entry("q:window", "v", { staleAt, expiresAt }),
      );
      const report = await backend.deleteWhere({ prefix: "p:" }, { soft: true });
      expect(report).toMatchObject({ deleted: 2, softened: 2, complete: true });
      expect(await keysOf(backend)).toEqual(["p:forever", "p:window", "q:window"]);
      const [window, forever, other] = await backend.getMany(["p:window", "p:forever", "q:window"], { want: "all" });
      for (const stored of [window, forever]) {
        expect(stored?.staleAt).toBeLessThanOrEqual(clock.now() + deadlineTolerance);
        expect(textOf(stored)).toBe("v");
      }
      expect(Math.abs((window?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(window?.tags).toEqual(["t"]);
      expect(Buffer.from(window?.meta ?? []).toString()).toBe("m");
      expect(Math.abs((other?.staleAt ?? 0) - staleAt)).toBeLessThanOrEqual(deadlineTolerance);
    });

    test("by tag and by key", async () => {
      const { open, clock } = current();
      const backend = await open();
      const window = { staleAt: clock.now() + 60_000, expiresAt: clock.now() + 3_600_000 };
      await put(
        backend,
        entry("a", "v", { ...window, tags: ["t"] }),
        entry("b", "v", { tags: ["t"] }),
        entry("c", "v", window),
      );
      expect(await backend.deleteWhere({ tags: ["t"] }, { soft: true })).toMatchObject({ deleted: 1, softened: 1 });
      expect(await backend.deleteWhere({ keys: ["c", "none"] }, { soft: true })).toMatchObject({
        deleted: 0,
        softened: 1,
      });
      expect(await keysOf(backend)).toEqual(["a", "c"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual(["a"]);
    });
  });
}
