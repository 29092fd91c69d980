import { once } from "node:events";
import { openSync, writeSync } from "node:fs";
import { type Cache, openCache } from "../../../src/index.js";
import type { Selector } from "../../../src/selector.js";
import { randomOf } from "../../cache/interleaving.js";
import { Lateness, monotonic } from "./lateness.js";

import {
  bodyOf,
  KEPT,
  KEYS,
  type Line,
  nameOf,
  SOURCED,
  type Space,
  type Started,
  sourceName,
  sourceTags,
  TAGS,
} from "./records.js";
import { Source } from "./source.js";
import type { WorkerOptions } from "./worker-options.js";

/**
 * A program that uses a cache like many callers at once, and writes all that it does and sees into its log. Its argument is {@link WorkerOptions} as JSON. A line on
 * standard input ends it: `stop`; then `sweep` has it read every key once more.
 */
const options = JSON.parse(process.argv[2] ?? "") as WorkerOptions;
const log = openSync(options.log, "a");
const tell = (line: Line) => void writeSync(log, `${JSON.stringify(line)}\n`);
const lateness = new Lateness(tell);
process.on("unhandledRejection", (error) =>
  tell({ t: "unhandled", text: String(error instanceof Error ? error.stack : error) }),
);
// Such as of a leak of listeners: nobody who uses the library can do anything about it.
process.on("warning", (warning) => tell({ t: "unhandled", text: String(warning.stack) }));
process.on("uncaughtException", (error) => {
  tell({ t: "unhandled", text: String(error.stack) });
  process.exit(9);
});

const random = randomOf(options.seed);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
/** A key to change: mostly one of its own, so that what is read of the others' keys is old for long if nobody hears of them. */
const own = (list: readonly string[]) => {
  const mine = list.filter((_, i) => i % 3 === options.worker % 3);
  return pick(random() < 0.95 ? mine : list);
};
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Milliseconds that a call may take if it is given a timeout of its own. */
const CALL_MS = 400;
/** Milliseconds that any call may be late. */
const GRACE_MS = 50;

const open = (namespace: Space) =>
  openCache({
    store: options.stores,
    namespace,
    timeout: options.storeMs,
    onEvent: ({ code }) => {
      if (code === "breaker-open" || code === "breaker-closed") {
        tell({ t: "breaker", at: monotonic(), space: namespace, open: code === "breaker-open" });
      }
    },
    resilience: { breaker: { openMs: 300, maxOpenMs: 1000 } },
  });
const caches: Record<Space, Cache> = { main: await open("main"), keep: await open("keep") };
const source = new Source(options.source);
const pending = new Map<number, string>();
let calls = 0;
let slowest = 0;

/** When a call ends: after its own timeout, if it has one; else `store`: it is one call of a store; `own`: it is several. `none`: it takes no timeout for all that it does. */
type Bound = "store" | "own" | "none";

/** Makes a call, and sees that it ends in time. */
async function timed<T>(how: string, bound: Bound, act: (call: { timeout?: number }) => Promise<T>): Promise<T> {
  const own = bound !== "none" && random() < 0.5;
  const allowed = own ? CALL_MS : bound === "store" && options.bounded ? options.storeMs : Number.POSITIVE_INFINITY;
  const id = calls++;
  pending.set(id, how);
  const start = monotonic();
  try {
    return await act(own ? { timeout: CALL_MS } : {});
  } finally {
    pending.delete(id);
    const took = monotonic() - start;
    const lag = lateness.since(start);
    if (took > allowed + GRACE_MS + lag) tell({ t: "late", how, took, allowed, lag });
    if (took > slowest) {
      slowest = took;
      tell({ t: "slowest", how, took, lag });
    }
  }
}

const codeOf = (error: unknown) =>
  error instanceof Error && "code" in error ? String(error.code) : `not one of ours: ${String(error)}`;

async function change(
  how: string,
  changes: Started[],
  act: (call: { timeout?: number }) => Promise<boolean | readonly boolean[]>,
  bound: Bound = "store",
): Promise<boolean> {
  const begun = changes.map((one) => {
    const id = calls++;
    tell({ t: "begin", id, at: monotonic(), change: one });
    return id;
  });
  const end = (answer: { code: string } | { stored: (i: number) => boolean }) => {
    const at = monotonic();
    for (const [i, id] of begun.entries()) {
      tell("code" in answer ? { t: "end", id, at, code: answer.code } : { t: "end", id, at, stored: answer.stored(i) });
    }
  };
  try {
    const stored = await timed(how, bound, act);
    end({ stored: (i) => (typeof stored === "boolean" ? stored : (stored[i] ?? false)) });
    return true;
  } catch (error) {
    end({ code: codeOf(error) });
    return false;
  }
}

async function read(
  how: string,
  space: Space,
  keys: readonly string[],
  act: (call: { timeout?: number }) => Promise<readonly unknown[]>,
  bound: Bound = "store",
): Promise<void> {
  const start = monotonic();
  try {
    const found = await timed(how, bound, act);
    const end = monotonic();
    for (const [i, key] of keys.entries()) {
      const value = found[i] === undefined ? null : key.startsWith("q/") ? String(found[i]) : nameOf(found[i]);
      tell({ t: "read", start, end, key, value, how, space });
    }
  } catch (error) {
    tell({ t: "failed", start, end: monotonic(), how, code: codeOf(error) });
  }
}

let named = 0;
const name = () => `${options.worker}.${named++}`;
const someTags = () => TAGS.filter(() => random() < 0.4);

async function streamed(cache: Cache, key: string): Promise<string | undefined> {
  const reader = await cache.openRead(key);
  if (!reader) return undefined;
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of reader.body) pieces.push(piece);
  } finally {
    reader.close();
  }
  return JSON.parse(Buffer.concat(pieces).toString());
}

const { main, keep } = caches;
const ttl = () => (random() < 0.3 ? {} : { ttl: 600_000 });

const steps: Record<string, { weight: number; run: () => Promise<unknown> }> = {
  get: {
    weight: 44,
    run: () => {
      const key = pick(random() < 0.1 ? SOURCED : KEYS);
      return read("get", "main", [key], async (call) => [await main.get(key, call)]);
    },
  },
  getMany: {
    weight: 5,
    run: () => {
      const keys = [...new Set([pick(KEYS), pick(KEYS), pick(KEYS)])];
      return read("getMany", "main", keys, (call) => main.getMany(keys, call));
    },
  },
  openRead: {
    weight: 3,
    run: () => {
      const key = pick(KEYS);
      return read("openRead", "main", [key], async () => [await streamed(main, key)], "none");
    },
  },
  kept: {
    weight: 8,
    run: () => {
      const key = pick(KEPT);
      return read("get", "keep", [key], async (call) => [await keep.get(key, call)]);
    },
  },
  keep: {
    weight: 3,
    run: () => {
      const [key, value] = [own(KEPT), name()];
      const one: Started = { do: "write", space: "keep", key, value, tags: [] };
      return change("set", [one], async (call) => (await keep.set(key, bodyOf(value), call)) === "stored");
    },
  },
  set: {
    weight: 10,
    run: () => {
      const [key, value, tags] = [own(KEYS), name(), someTags()];
      const one: Started = { do: "write", space: "main", key, value, tags };
      return change(
        "set",
        [one],
        async (call) => (await main.set(key, bodyOf(value), { tags, ...ttl(), ...call })) === "stored",
      );
    },
  },
  setMany: {
    weight: 2,
    run: () => {
      const tags = someTags();
      const keys = [...new Set([own(KEYS), own(KEYS)])];
      const pairs = keys.map((key) => [key, name()] as const);
      const changes = pairs.map(([key, value]): Started => ({ do: "write", space: "main", key, value, tags }));
      return change("setMany", changes, async (call) => {
        const outcomes = await main.setMany(
          pairs.map(([key, value]) => [key, bodyOf(value)] as const),
          { tags, ...call },
        );
        return outcomes.map((outcome) => outcome === "stored");
      });
    },
  },
  atomic: {
    weight: options.clustered ? 0 : 2,
    run: () => {
      const [key, value, other] = [own(KEYS), name(), own(KEYS)];
      const changes: Started[] = [
        { do: "drop", space: "main", selector: { keys: [other] } },
        { do: "write", space: "main", key, value, tags: ["t0"] },
      ];
      if (other === key) changes.shift();
      return change("atomic", changes, async (call) => {
        await main.atomic([{ delete: other }, { set: { key, value: bodyOf(value), tags: ["t0"] } }], call);
        return true;
      });
    },
  },
  openWrite: {
    weight: 2,
    run: () => {
      const [key, value, tags] = [own(KEYS), name(), someTags()];
      const one: Started = { do: "write", space: "main", key, value, tags };
      const bytes = Buffer.from(JSON.stringify(bodyOf(value)));
      return change(
        "openWrite",
        [one],
        async () => {
          const writer = await main.openWrite(key, { tags });
          try {
            await writer.write(bytes.subarray(0, 10));
            await pause(random() * 5);
            await writer.write(bytes.subarray(10));
            return (await writer.commit()) === "stored";
          } finally {
            await writer.abort().catch(() => undefined);
          }
        },
        "none",
      );
    },
  },
  delete: {
    weight: 4,
    run: () => {
      const key = own(KEYS);
      return drop("delete", { keys: [key] }, (call) => main.delete(key, call));
    },
  },
  tag: { weight: 0.5, run: () => invalidate({ tags: [pick(TAGS)] }) },
  prefix: { weight: 0.15, run: () => invalidate(random() < 0.5 ? { prefix: "a/" } : { match: "b/*" }) },
  all: { weight: 0.1, run: () => invalidate({ all: true }) },
  load: {
    weight: 14,
    run: () => {
      const key = pick(SOURCED);
      const loads = async () => {
        const n = source.read(key);
        await pause(random() < 0.1 ? 150 * random() : 5 * random());
        return sourceName(key, n);
      };
      const stale = random() < 0.3 ? { softTtl: 200, ttl: 60_000 } : { ttl: 60_000 };
      const more = { ...stale, tags: sourceTags(key), lockWait: 500 };
      return read(
        "getOrSet",
        "main",
        [key],
        async (call) => [await main.getOrSet(key, loads, { ...more, ...call })],
        "own",
      );
    },
  },
  source: {
    weight: 2,
    run: async () => {
      const key = pick(SOURCED);
      await changeSource(key);
      const way = Math.floor(random() * 4);
      if (way === 0) await drop("delete", { keys: [key] }, (call) => main.delete(key, call));
      else
        await invalidate(
          [{ tags: ["sources"] }, { tags: [`source-${key}`] }, { prefix: "q/" }][way - 1] ?? { all: true },
        );
    },
  },
};

const drop = (how: string, selector: Selector, act: (call: { timeout?: number }) => Promise<unknown>) =>
  change(how, [{ do: "drop", space: "main", selector }], async (call) => {
    await act(call);
    return true;
  });

// It goes in steps, and the store has its time for each: as a whole it is bounded by a timeout of its own.
const invalidate = (selector: Selector) =>
  change(
    "invalidate",
    [{ do: "drop", space: "main", selector }],
    async (call) => {
      const { complete } = await main.invalidate(selector, call);
      return complete;
    },
    "own",
  );

/** Who changes a source holds its lock: numbers go up one by one, over all processes. */
async function changeSource(key: string): Promise<void> {
  const id = calls++;
  source.change(key, (n) => tell({ t: "begin", id, at: monotonic(), change: { do: "source", key, n } }));
  tell({ t: "end", id, at: monotonic(), stored: true });
}

const total = Object.values(steps).reduce((sum, { weight }) => sum + weight, 0);
let stopping = false;

async function loop(): Promise<void> {
  while (!stopping) {
    let at = random() * total;
    for (const { weight, run } of Object.values(steps)) {
      at -= weight;
      if (at > 0) continue;
      await run();
      break;
    }
    await pause(random() * options.pauseMs);
  }
}

async function sweep(): Promise<void> {
  for (const cache of [main, keep]) {
    for (let i = 0; i < 100 && !(await cache.health({ timeout: 500 })).ok; i++) await pause(100);
  }
  for (let round = 0; round < 3; round++) {
    for (const key of [...KEYS, ...SOURCED]) await read("sweep", "main", [key], async () => [await main.get(key)]);
    for (const key of KEPT) await read("sweep", "keep", [key], async () => [await keep.get(key)]);
  }
}

process.stdin.setEncoding("utf8");
tell({ t: "ready", at: monotonic() });
const loops = Promise.all(Array.from({ length: options.callers }, loop));
await once(process.stdin, "data");
stopping = true;
let patience: NodeJS.Timeout | undefined;
const enough = new Promise<boolean>((resolve) => {
  patience = setTimeout(() => resolve(false), 10_000);
});
const ended = await Promise.race([loops.then(() => true), enough]);
clearTimeout(patience);
if (!ended) tell({ t: "hanging", hows: [...pending.values()] });
tell({ t: "stopped", at: monotonic() });
await once(process.stdin, "data");
await sweep();
await Promise.all([main.close(), keep.close()]);
source.close();
lateness.stop();
tell({ t: "swept", at: monotonic() });
process.stdin.destroy();
