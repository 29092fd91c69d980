import { setTimeout as realSleep } from "node:timers/promises";
import type { Backend, ChangePage, EntryReader, Lease, Position } from "../../src/backends/backend.js";
import { type Change, type Concerned, coverage } from "../../src/changes.js";
import type { Current, Harness } from "./harness.js";

/** The store with all that belongs to it. */
export async function openFull(current: Current, namespace = "", options?: { readOnly?: boolean }): Promise<Backend> {
  return current().open(namespace, options);
}

/** Two connections to one store; the same twice where the store lives in the backend. */
export async function openTwo(current: Current, namespace = ""): Promise<[Backend, Backend]> {
  const one = await openFull(current, namespace);
  return [one, one.capabilities.persistent ? await openFull(current, namespace) : one];
}

/** What the work gives, while time goes on in small steps. */
export async function inTime<T>({ advance }: Harness, work: Promise<T> | T, stepMs = 20): Promise<T> {
  let over = false;
  const done = Promise.resolve(work).finally(() => {
    over = true;
  });
  // It is awaited below; until then its failure is nobody's surprise.
  done.catch(() => {});
  const giveUp = performance.now() + 10_000;
  while (!over) {
    if (performance.now() > giveUp) throw new Error("not within 10 s");
    await advance(stepMs);
    await realSleep(1);
  }
  return done;
}

export const coversOne = (changes: readonly Change[], entry: Concerned): boolean =>
  changes.some(({ selector }) => coverage(selector)(entry));

/** Reads a log from a position on, page by page, while time goes on. */
export class Follower {
  readonly changes: Change[] = [];
  gaps = 0;
  position: Position;
  readonly #stop = new AbortController();
  readonly #harness: Harness;
  readonly #pages: AsyncIterator<ChangePage>;

  constructor(current: Current, backend: Backend, after: Position) {
    this.#harness = current();
    this.position = after;
    this.#pages = backend.changes(after, this.#stop.signal)[Symbol.asyncIterator]();
  }

  /** The next page; undefined after {@link stop}. */
  async page(stepMs?: number): Promise<ChangePage | undefined> {
    const { done, value } = await inTime(this.#harness, this.#pages.next(), stepMs);
    if (done === true) return undefined;
    this.changes.push(...value.changes);
    this.position = value.position;
    if (value.gap) this.gaps += 1;
    return value;
  }

  /** Reads on until a change covers each of the entries. */
  async untilCovered(...entries: Concerned[]): Promise<void> {
    for (let looks = 0; entries.some((entry) => !coversOne(this.changes, entry)); looks++) {
      if (looks > 100) throw new Error(`no change covers ${JSON.stringify(entries)}: ${JSON.stringify(this.changes)}`);
      await this.page();
    }
  }

  /** Reads on until nothing new comes: what happened before is in {@link changes} then. */
  async untilQuiet(): Promise<Change[]> {
    for (let quiet = 0; quiet < 2; ) {
      const page = await this.page();
      quiet = page && page.changes.length === 0 && !page.gap ? quiet + 1 : 0;
    }
    return this.changes;
  }

  /** Ends it; true if the iteration ends by itself then. */
  async stop(): Promise<boolean> {
    this.#stop.abort();
    return (await this.page()) === undefined;
  }
}

/** Follows the log from now on. */
export async function follow(current: Current, backend: Backend): Promise<Follower> {
  return new Follower(current, backend, await backend.position());
}

/** A lease that must be granted. */
export async function leased(backend: Backend, key: string, ms = 600_000, over?: string): Promise<Lease> {
  const answer = await backend.lease(key, ms, over === undefined ? {} : { over });
  if (answer.outcome !== "taken") throw new Error(`the lease of ${key} was not taken: ${JSON.stringify(answer)}`);
  return answer.lease;
}

/** The version of an entry that must be there. */
export async function versionOf(backend: Backend, key: string): Promise<string> {
  const [stored] = await backend.getMany([key], { want: "all" });
  if (stored?.version === undefined) throw new Error(`${key} has no version`);
  return stored.version;
}

/** Bytes that differ from place to place, so that a piece too many or out of order is seen. */
export function pattern(size: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Everything that a reader gives; it is closed then. */
export async function drain(reader: EntryReader | undefined): Promise<Buffer> {
  if (!reader) throw new Error("nothing to read");
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.body) pieces.push(piece);
  reader.close();
  return Buffer.concat(pieces);
}
