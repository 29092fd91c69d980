import { describe, expect, test } from "vitest";
import { type Backend, LISTEN_MS, type WriteCall } from "../../src/backends/backend.js";
import type { ChangeOp, Concerned } from "../../src/changes.js";
import { coversOne, Follower, follow, inTime, leased, openFull, openTwo } from "./full.js";
import { bytes, type Current, entry, put } from "./harness.js";

interface Case {
  name: string;
  act: (backend: Backend, call: WriteCall) => unknown;
  op: ChangeOp;
  covers: readonly Concerned[];
}

const many = Array.from({ length: 250 }, (_, i) => `many:${i}`);
const concerned = (...keys: string[]): Concerned[] => keys.map((key) => ({ key, tags: [] }));

const CASES: readonly Case[] = [
  { name: "setMany", act: (b, call) => b.setMany([entry("k")], call), op: "write", covers: concerned("k") },
  {
    name: "setMany of many keys",
    act: (b, call) =>
      b.setMany(
        many.map((key) => entry(key)),
        call,
      ),
    op: "write",
    covers: concerned(...many),
  },
  {
    name: "setMany if-absent",
    act: (b, call) => b.setMany([entry("fresh")], { ...call, mode: "if-absent" }),
    op: "write",
    covers: concerned("fresh"),
  },
  {
    name: "touchMany",
    act: (b, call) => b.touchMany([{ key: "tagged", expiresAt: null }], call),
    op: "write",
    covers: concerned("tagged"),
  },
  { name: "deleteMany", act: (b, call) => b.deleteMany(["tagged"], call), op: "delete", covers: concerned("tagged") },
  {
    name: "deleteMany of a key that is not there",
    act: (b, call) => b.deleteMany(["absent"], call),
    op: "delete",
    covers: concerned("absent"),
  },
  {
    name: "deleteWhere keys",
    act: (b, call) => b.deleteWhere({ keys: ["tagged", "absent"] }, call),
    op: "delete",
    covers: concerned("tagged", "absent"),
  },
  {
    name: "deleteWhere prefix",
    act: (b, call) => b.deleteWhere({ prefix: "p:" }, call),
    op: "delete",
    covers: concerned("p:1", "p:absent"),
  },
  {
    name: "deleteWhere match",
    act: (b, call) => b.deleteWhere({ match: "p:?" }, call),
    op: "delete",
    covers: concerned("p:1", "p:9"),
  },
  {
    name: "deleteWhere any tag",
    act: (b, call) => b.deleteWhere({ tags: ["red", "blue"] }, call),
    op: "delete",
    covers: [
      { key: "tagged", tags: ["red"] },
      { key: "absent", tags: ["blue"] },
    ],
  },
  {
    name: "deleteWhere all tags",
    act: (b, call) => b.deleteWhere({ tags: ["red", "blue"], tagMode: "all" }, call),
    op: "delete",
    covers: [{ key: "absent", tags: ["green", "blue", "red"] }],
  },
  {
    name: "deleteWhere all",
    act: (b, call) => b.deleteWhere({ all: true }, call),
    op: "delete",
    covers: concerned("p:1", "absent"),
  },
  {
    name: "deleteWhere soft",
    act: (b, call) => b.deleteWhere({ prefix: "soft" }, { ...call, soft: true }),
    op: "soften",
    covers: concerned("soft"),
  },
  {
    name: "commit",
    act: async (b, call) => b.commit(entry("loaded"), await leased(b, "loaded"), call),
    op: "write",
    covers: concerned("loaded"),
  },
  {
    name: "atomic",
    act: (b, call) => b.atomic([{ set: entry("{x}1") }, { delete: "{x}2" }], call),
    op: "write",
    covers: concerned("{x}1", "{x}2"),
  },
  {
    name: "a stream",
    act: async (b, call) => {
      const writer = await b.openWrite({ key: "streamed" }, call);
      await writer.write(bytes("piece"));
      await writer.commit();
    },
    op: "write",
    covers: concerned("streamed"),
  },
  {
    name: "a stream under a lease",
    act: async (b, call) => {
      const lease = await leased(b, "streamed");
      const writer = await b.openWrite({ key: "streamed" }, call);
      await writer.commit(lease);
    },
    op: "write",
    covers: concerned("streamed"),
  },
  {
    name: "announce",
    act: (b, call) => b.announce("soften", { prefix: "else", tags: ["where"] }, call),
    op: "soften",
    covers: [{ key: "elsewhere", tags: ["where"] }],
  },
];

export function describeLog(current: Current): void {
  describe("the log", () => {
    const filled = async () => {
      const [one, two] = await openTwo(current, "n:");
      const now = current().clock.now();
      await put(
        one,
        entry("p:1"),
        entry("tagged", "v", { tags: ["red", "blue"], expiresAt: now + 3_600_000 }),
        entry("soft", "v", { staleAt: now + 3_000_000, expiresAt: now + 3_600_000 }),
      );
      return [one, two] as const;
    };

    test.each(CASES)(
      "$name is in it, with its origin, for who listens elsewhere and here",
      async ({ act, op, covers }) => {
        const [one, two] = await filled();
        const followers = [await follow(current, two), await follow(current, one)];
        await act(one, { origin: "me" });
        for (const follower of followers) {
          await follower.untilCovered(...covers);
          const changes = await follower.untilQuiet();
          expect(new Set(changes.map((change) => change.origin))).toEqual(new Set(["me"]));
          expect(changes.map((change) => change.op)).toContain(op);
          expect(follower.gaps).toBe(0);
          expect(await follower.stop()).toBe(true);
        }
      },
    );

    test("who gives no origin has a name of its own, always the same", async () => {
      const [one, two] = await openTwo(current);
      const follower = await follow(current, two);
      await put(one, "a");
      await one.deleteMany(["b"]);
      await one.deleteWhere({ prefix: "c" });
      await follower.untilCovered(...concerned("a", "b", "c"));
      const origins = new Set(follower.changes.map((change) => change.origin));
      expect(origins.size).toBe(1);
      expect([...origins][0]).not.toBe("");
      await follower.stop();
    });

    test("a page comes at least every 300 ms, also when nothing happens", async () => {
      const backend = await openFull(current);
      const { clock, deadlineTolerance } = current();
      const follower = await follow(current, backend);
      await follower.page();
      let last = clock.monotonic();
      for (let i = 0; i < 4; i++) {
        expect(await follower.page(10)).toMatchObject({ changes: [], gap: false });
        const now = clock.monotonic();
        // A step of the clock, and what a real one and a busy machine add.
        expect(now - last).toBeLessThanOrEqual(310 + deadlineTolerance * 2);
        last = now;
      }
      await follower.stop();
    });

    test("a position knows nothing of what was before, and everything after", async () => {
      const [one, two] = await openTwo(current);
      await two.position();
      await put(one, "older");
      const position = await two.position();
      await put(one, "newer");
      const follower = new Follower(current, two, position);
      await follower.untilCovered({ key: "newer", tags: [] });
      expect(coversOne(await follower.untilQuiet(), { key: "older", tags: [] })).toBe(false);
      expect(follower.gaps).toBe(0);
      await follower.stop();
    });

    test("who was interrupted goes on where it was: nothing twice, nothing left out", async () => {
      const [one, two] = await openTwo(current);
      const times = current().tellsTwice ? 2 : 1;
      const first = await follow(current, two);
      await put(one, "a");
      await first.untilCovered({ key: "a", tags: [] });
      await first.untilQuiet();
      await first.stop();
      await put(one, "b");
      await put(one, "c");
      const second = new Follower(current, two, first.position);
      await second.untilCovered(...concerned("b", "c"));
      await put(one, "d");
      await second.untilCovered(...concerned("d"));
      await second.untilQuiet();
      expect(coversOne(second.changes, { key: "a", tags: [] })).toBe(false);
      for (const key of ["b", "c", "d"]) {
        expect(second.changes.filter((change) => coversOne([change], { key, tags: [] })).length).toBe(times);
      }
      await second.stop();
    });

    test("many listeners, each from its own position, hear everything in order", async () => {
      const [one, two] = await openTwo(current);
      const followers: { follower: Follower; from: number }[] = [];
      for (let i = 0; i < 20; i++) {
        if (i % 5 === 0) followers.push({ follower: await follow(current, i % 2 === 0 ? two : one), from: i });
        await put(one, `k${i}`);
      }
      for (const { follower, from } of followers) {
        const expected = Array.from({ length: 20 - from }, (_, i) => `k${i + from}`);
        await follower.untilCovered(...concerned(...expected));
        const changes = await follower.untilQuiet();
        const order = expected.map((key) => changes.findIndex((change) => coversOne([change], { key, tags: [] })));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(coversOne(changes, { key: `k${from - 1}`, tags: [] })).toBe(false);
        await follower.stop();
      }
    });

    test("what was changed while nobody listened is in it, or a gap is", async () => {
      const { advance, deadlineTolerance } = current();
      // Where time is real, nobody waits a minute for it here.
      if (deadlineTolerance > 0) return;
      const [one, two] = await openTwo(current);
      const position = await two.position();
      await put(one, "a");
      await advance(LISTEN_MS * 2);
      await put(one, "b");
      await put(one, "c");
      const follower = new Follower(current, two, position);
      await follower.page();
      if (follower.gaps === 0) await follower.untilCovered(...concerned("a", "b", "c"));
      // Either way it goes on from there.
      const gaps = follower.gaps;
      await put(one, "d");
      await follower.untilCovered(...concerned("d"));
      expect(follower.gaps).toBe(gaps);
      await follower.stop();
    });

    test("listening goes on for as long as somebody follows", async () => {
      const { advance, deadlineTolerance } = current();
      if (deadlineTolerance > 0) return;
      const [one, two] = await openTwo(current);
      const follower = await follow(current, two);
      for (let i = 0; i < 5; i++) {
        await follower.page();
        await advance(LISTEN_MS - 5000);
      }
      await follower.page();
      await put(one, "k");
      await follower.untilCovered(...concerned("k"));
      expect(follower.gaps).toBe(0);
      await follower.stop();
    });

    test("a deletion in steps is in it again after the last", async () => {
      const [one, two] = await openTwo(current);
      const keys = Array.from({ length: 300 }, (_, i) => `gone:${i}`);
      await put(one, ...keys);
      let between: Promise<string> | undefined;
      const onProgress = (done: number) => {
        if (done < keys.length) between ??= Promise.resolve(two.position());
      };
      await inTime(current(), one.deleteWhere({ prefix: "gone:" }, { rate: 1000, onProgress }));
      const position = await between;
      expect(position).toBeDefined();
      const follower = new Follower(current, two, position ?? "");
      await follower.untilCovered(...concerned("gone:0", "gone:299"));
      await follower.stop();
    });

    test("so is one that is stopped half way", async () => {
      const [one, two] = await openTwo(current);
      const keys = Array.from({ length: 300 }, (_, i) => `gone:${i}`);
      await put(one, ...keys);
      const stop = new AbortController();
      let between: Promise<string> | undefined;
      const onProgress = () => {
        between ??= Promise.resolve(two.position()).finally(() => stop.abort());
      };
      const deletion = one.deleteWhere({ prefix: "gone:" }, { rate: 1000, onProgress, signal: stop.signal });
      const [outcome] = await inTime(current(), Promise.allSettled([deletion]));
      if (outcome.status === "fulfilled") expect(outcome.value.complete).toBe(false);
      const follower = new Follower(current, two, (await between) ?? "");
      await follower.untilCovered(...concerned("gone:0", "gone:299"));
      await follower.stop();
    });

    test("changes of another namespace are in its own log alone", async () => {
      const mine = await openFull(current, "mine:");
      const theirs = await openFull(current, "theirs:");
      const follower = await follow(current, mine);
      await put(theirs, "k");
      await theirs.deleteWhere({ all: true });
      await put(mine, "mark");
      await follower.untilCovered({ key: "mark", tags: [] });
      expect(coversOne(await follower.untilQuiet(), { key: "k", tags: [] })).toBe(false);
      await follower.stop();
    });

    test("an iteration whose signal was given before begins nothing", async () => {
      const backend = await openFull(current);
      const pages: unknown[] = [];
      const position = await backend.position();
      for await (const page of backend.changes(position, AbortSignal.abort())) pages.push(page);
      expect(pages).toEqual([]);
    });

    test("it is no entry", async () => {
      const backend = await openFull(current);
      const follower = await follow(current, backend);
      await backend.announce("delete", { prefix: "x" });
      await follower.untilCovered({ key: "x", tags: [] });
      expect((await backend.deleteWhere({ all: true })).deleted).toBe(0);
      await follower.stop();
    });
  });
}
