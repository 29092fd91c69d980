import type { Backend } from "../../src/backends/backend.js";
import { Cache } from "../../src/cache/cache.js";
import type { LoadOptions } from "../../src/cache/loading/options.js";
import type { Selector } from "../../src/selector.js";
import type { FakeClock } from "../support/fake-clock.js";

/** Numbers from 0 up to 1, the same for the same seed (mulberry32, public domain). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Lets one of those who wait go on at a time, in an order that the seed decides. */
class Scheduler {
  readonly #random: () => number;
  readonly #clock: FakeClock;
  readonly #remote: boolean;
  readonly #waiting: (() => void)[] = [];

  constructor(random: () => number, clock: FakeClock, remote: boolean) {
    this.#random = random;
    this.#clock = clock;
    this.#remote = remote;
  }

  readonly turn = (): Promise<void> => new Promise((resolve) => this.#waiting.push(resolve));

  /** Until the work is done. */
  async run(work: Promise<unknown>): Promise<void> {
    let done = false;
    const end = () => {
      done = true;
    };
    work.then(end, end);
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#remote && this.#waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      const [next] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1);
      next?.();
      // Who waits for another process sleeps.
      if (next === undefined || this.#random() < 0.05) this.#clock.advance(5);
    }
    await work;
  }
}

const STEPS = new Set([
  "getMany",
  "setMany",
  "deleteMany",
  "deleteWhere",
  "lease",
  "commit",
  "release",
  "openRead",
  "openWrite",
  "atomic",
]);

/** The backend, each of whose calls may wait before it and after it, as over a network. */
function inSteps(backend: Backend, turn: () => Promise<void>): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (!STEPS.has(String(name))) return value.bind(target);
      return async (...args: unknown[]) => {
        await turn();
        const result: unknown = await value.apply(target, args);
        await turn();
        return result;
      };
    },
  });
}

export interface Interleaved {
  clock: FakeClock;
  /** The store answers when it does: who waits for it must not see years go by. */
  remote?: boolean;
  /** Two are two processes: they share nothing but the store. */
  backends: readonly Backend[];
  /** Calls of the store take their time. */
  slow: boolean;
}

const KEYS = ["a:1", "a:2", "b:1"];
const tagOf = (key: string) => `tag-${key.slice(2)}`;

/**
 * One random run: loads and refreshes of a few keys, while their source changes and the cache is told so in every way there is.
 * @returns what was wrong at the end, or while it ran; nothing when all is well
 */
export async function interleave(
  seed: number,
  { clock, backends, slow, remote = false }: Interleaved,
): Promise<string[]> {
  const random = randomOf(seed);
  const scheduler = new Scheduler(random, clock, remote);
  const { turn } = scheduler;
  // The first far more often: what is never wanted at once can't go wrong.
  const pick = (list: readonly string[]) => list[Math.floor(random() ** 3 * list.length)] ?? "";
  const caches = backends.map(
    (backend) =>
      new Cache(slow ? inSteps(backend, turn) : backend, { clock, countInterval: 0, random, defaultTtl: null }),
  );
  const source = new Map(KEYS.map((key) => [key, 0]));
  const wrong: string[] = [];
  const current = (key: string) => source.get(key) ?? 0;
  /** By facade, what its callers must see at least: what was current when the facade's last change was done. */
  const least = caches.map(() => new Map<string, number>());

  const some = async (most: number) => {
    for (let i = Math.floor(random() * (most + 1)); i > 0; i--) await turn();
  };
  const load = async (key: string): Promise<number> => {
    await some(2);
    const value = current(key);
    await some(6);
    return value;
  };
  const reads = async (nth: number) => {
    await some(10);
    const cache = caches[nth] as Cache;
    const key = pick(KEYS);
    const floor = least[nth]?.get(key) ?? 0;
    const options: LoadOptions<number> = { tags: random() < 0.5 ? [tagOf(key)] : () => [tagOf(key)], ttl: 1_000_000 };
    const stale = random() < 0.3;
    if (stale) options.staleWhileRevalidate = 1_000_000;
    const many = random() < 0.2;
    const seen = many
      ? (await cache.getOrSetMany([key], async ([one]) => [await load(one ?? "")], options))[0]
      : await cache.getOrSet(key, () => load(key), options);
    if (!stale && (seen ?? -1) < floor) wrong.push(`${key}: facade ${nth} gave ${seen} after ${floor} was announced`);
  };

  /** A load in pieces under a lease, or a read in pieces, whose value is copied into the tiers above. */
  const streams = async (nth: number) => {
    await some(10);
    const { backend } = caches[nth] as Cache;
    const key = pick(KEYS);
    if (random() < 0.5) {
      const reader = await backend.openRead(key);
      for await (const _ of reader?.body ?? []) await some(2);
      reader?.close();
      return;
    }
    const [there] = await backend.getMany([key], { want: "all" });
    const answer = await backend.lease(key, 60_000, there?.version === undefined ? {} : { over: there.version });
    if (answer.outcome !== "taken") return;
    const writer = await backend.openWrite({ key, tags: [tagOf(key)] });
    await writer.write(Buffer.from(String(await load(key))));
    await some(2);
    if ((await writer.commit(answer.lease)) !== "stored") await backend.release(answer.lease);
  };

  let writing: Promise<void> = Promise.resolve();
  const writes = (nth: number) => {
    const change = async () => {
      await some(4);
      const cache = caches[nth] as Cache;
      const key = pick(KEYS);
      const kind = Math.floor(random() * 10);
      const prefix = key.slice(0, 2);
      const selectors: Selector[] = [{ prefix }, { match: `${prefix}*` }, { tags: [tagOf(key)] }, { all: true }];
      const selector = selectors[kind % 4] ?? { all: true };
      const covered = KEYS.filter((one) => {
        if (kind >= 5) return one === key;
        return "all" in selector || ("tags" in selector ? tagOf(one) === tagOf(key) : one.startsWith(prefix));
      });
      for (const one of covered) source.set(one, current(one) + 1);
      await turn();
      if (kind < 4) await cache.invalidate(selector);
      else if (kind === 4) await cache.invalidate(selector, { soft: true });
      else if (kind === 5) await cache.delete(key);
      else if (kind === 6) await cache.set(key, current(key), { tags: [tagOf(key)] });
      else if (kind === 7) await cache.deleteMany([key]);
      else if (kind === 8) {
        const writer = await cache.openWrite(key, { tags: [tagOf(key)] });
        await writer.write(Buffer.from(String(current(key))));
        await some(2);
        await writer.commit();
      } else await cache.atomic([{ delete: key }, { set: { key, value: current(key), tags: [tagOf(key)] } }]);
      for (const one of covered) least[nth]?.set(one, current(one));
    };
    // One after the other: who writes the same key twice at once has no order to keep.
    writing = writing.then(change);
    return writing;
  };

  const work = Array.from({ length: 16 }, () => {
    const nth = Math.floor(random() * caches.length);
    const chance = random();
    if (chance < 0.15) return streams(nth);
    return chance < 0.65 ? reads(nth) : writes(nth);
  });
  await scheduler.run(Promise.all(work));
  // Refreshes go on after their callers have gone.
  let quiet = false;
  const settled = (async () => {
    for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
    quiet = true;
  })();
  while (!quiet) await scheduler.run(Promise.race([settled, new Promise((resolve) => setImmediate(resolve))]));

  // What another process changed is heard of within 100 ms.
  for (let i = 0; i < 20; i++) {
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [nth, backend] of backends.entries()) {
    for (const [i, entry] of (await backend.getMany(KEYS, { want: "all" })).entries()) {
      const key = KEYS[i] ?? "";
      // What was softly invalidated stays, and says so.
      if (entry === undefined || (entry.staleAt ?? Number.POSITIVE_INFINITY) <= clock.now()) continue;
      const text = Buffer.from(entry.value).toString();
      if (text !== String(current(key))) wrong.push(`${key}: store ${nth} holds ${text}, the source ${current(key)}`);
    }
  }
  return wrong;
}
