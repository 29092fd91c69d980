import type { Opening } from "../../change-window.js";
import type { Awaitable, Call, NewEntry, Position, ReadOptions, Stored } from "../backend.js";
import { JoinedReads } from "./joined-reads.js";
import type { Stack } from "./stack.js";
import { MAX_COPY_BYTES, type UpperTier } from "./upper-tier.js";
import { asCopy } from "./version.js";

/** Entries that are read at once to be copied. */
const PROMOTED_AT_ONCE = 100;

type Found = (Stored | undefined)[];

const NO_OPTIONS: ReadOptions = {};

/** A read that goes on below the fastest tier. */
interface Descent {
  keys: readonly string[];
  options: ReadOptions;
  results: Found;
  opening: Opening;
  /** Up to where the log of each upper tier was heard when it began. */
  positions: readonly (Position | undefined)[];
  /** Tiers that failed to answer. */
  failed: Set<UpperTier>;
  /** Copies under way. */
  copies: Promise<void>[];
}

/** Reads each key from the fastest tier that has it and may be asked, and copies what was found below into those above. */
export class Reading {
  readonly #stack: Stack;
  readonly #top: UpperTier | undefined;
  /** Of what the fastest tier does not have. */
  readonly #joined = new JoinedReads((keys) => this.#descend(keys, NO_OPTIONS, noneOf(keys), 1));

  constructor(stack: Stack) {
    this.#stack = stack;
    this.#top = stack.uppers[0];
  }

  /** Answers at once where the fastest tier does, has all keys and knows as much as is wanted. */
  getMany(keys: readonly string[], options: ReadOptions = NO_OPTIONS): Awaitable<Found> {
    const top = this.#top;
    if (!top?.isPrivate || top.owed > 0 || !top.isUsable() || !top.knows(options.want))
      return this.#descend(keys, options, noneOf(keys), 0);
    const answer = ask(top, keys, options);
    if (answer instanceof Promise) {
      return answer.then((found) => this.#goOn(top, keys, options, found));
    }
    return this.#goOn(top, keys, options, answer);
  }

  #goOn(top: UpperTier, keys: readonly string[], options: ReadOptions, found: Found | undefined): Awaitable<Found> {
    if (found === undefined) return this.#descend(keys, options, noneOf(keys), 1);
    let hits = 0;
    for (const entry of found) if (entry !== undefined) hits += 1;
    count(top, hits, keys.length - hits, options);
    if (hits > 0 && (options.want ?? "value") !== "value") {
      for (let i = 0; i < found.length; i++) {
        const stored = found[i];
        if (stored !== undefined) found[i] = asCopy(stored);
      }
    }
    if (hits === keys.length) return found;
    const [key] = keys;
    if (keys.length === 1 && key !== undefined && options === NO_OPTIONS) return this.#joined.get(key);
    return this.#descend(keys, options, found, 1);
  }

  async #descend(given: readonly string[], options: ReadOptions, results: Found, from: number): Promise<Found> {
    const { uppers, window, lowest, lowestTally } = this.#stack;
    // The caller may change its own while the read is under way, and the copy of an entry must not get another one's key.
    const keys = given.slice();
    const descent: Descent = {
      keys,
      options,
      results,
      opening: window.open(),
      positions: this.#stack.positions(),
      failed: new Set(),
      copies: [],
    };
    try {
      for (let level = from; level < uppers.length; level++) await this.#readUpper(descent, level);
      const missing = missingOf(results);
      if (missing.length === 0 && keys.length > 0) return results;
      const asked = missing.length === keys.length ? keys : namesOf(keys, missing);
      const found = await lowest.getMany(asked, this.#optionsFor(descent, uppers.length));
      let hits = 0;
      for (let i = 0; i < missing.length; i++) {
        const stored = found[i];
        if (stored !== undefined) hits += 1;
        results[missing[i] ?? 0] = stored;
      }
      if (!options.peek) {
        lowestTally.add("hits", hits);
        lowestTally.add("misses", missing.length - hits);
      }
      this.#copy(descent, uppers.length, missing);
      return results;
    } finally {
      this.#end(descent);
    }
  }

  async #readUpper(descent: Descent, level: number): Promise<void> {
    const { keys, results, options, opening } = descent;
    const tier = this.#stack.uppers[level];
    if (!tier?.isUsable() || !tier.knows(options.want)) return;
    const asked = missingOf(results).filter((index) => !tier.owes(keys[index] ?? ""));
    if (asked.length === 0) return;
    const found = await ask(tier, namesOf(keys, asked), this.#optionsFor(descent, level));
    if (!found) {
      descent.failed.add(tier);
      return;
    }
    // The answer took its time: it may be about what has been dropped since.
    const usable = tier.isUsable();
    const hits = asked.filter((index, i) => {
      const stored = found[i];
      const key = keys[index] ?? "";
      if (!usable || stored === undefined || tier.owes(key)) return false;
      if (opening.concerns({ key, ...(stored.tags && { tags: stored.tags }) })) return false;
      results[index] = asCopy(stored);
      return true;
    });
    count(tier, hits.length, asked.length - hits.length, options);
    this.#copy(descent, level, hits);
  }

  /** Copies entries of the lowest tier into all above it. */
  async promote(keys: readonly string[], options: Call = {}): Promise<number> {
    const { uppers, window, lowest } = this.#stack;
    const unique = [...new Set(keys)];
    let found = 0;
    for (let i = 0; i < unique.length; i += PROMOTED_AT_ONCE) {
      const some = unique.slice(i, i + PROMOTED_AT_ONCE);
      const descent: Descent = {
        keys: some,
        options: {},
        results: [],
        opening: window.open(),
        positions: this.#stack.positions(),
        failed: new Set(),
        copies: [],
      };
      try {
        descent.results = await lowest.getMany(some, { ...options, want: "copy", peek: true });
        const small = descent.results.flatMap((entry, at) =>
          entry !== undefined && entry.value.length <= MAX_COPY_BYTES ? [at] : [],
        );
        found += small.length;
        this.#copy(descent, uppers.length, small);
        await Promise.all(descent.copies);
      } finally {
        descent.opening.close();
      }
    }
    return found;
  }

  /** A copy needs all that is known of an entry. */
  #optionsFor({ options, failed }: Descent, level: number): ReadOptions {
    if (options.peek || options.want === "all") return options;
    const copied = this.#stack.uppers.slice(0, level).some((tier) => !failed.has(tier) && tier.isUsable());
    return copied ? { ...options, want: "copy" } : options;
  }

  /** Copies what was found at a level into the tiers above, unless a change since the read began concerns it. */
  #copy(
    { keys, options, results, opening, positions, failed, copies }: Descent,
    level: number,
    found: readonly number[],
  ): void {
    if (options.peek || level === 0) return;
    const entries = entriesOf(keys, results, found);
    if (entries.length === 0) return;
    let owned: NewEntry[] | undefined;
    for (let above = level - 1; above >= 0; above--) {
      const tier = this.#stack.uppers[above];
      if (!tier?.isUsable() || failed.has(tier)) continue;
      if (!tier.takesCopies) owned ??= withOwnBytes(entries);
      const work = tier.store(owned ?? entries, opening, positions[above], false);
      if (work instanceof Promise) copies.push(work);
    }
  }

  #end({ opening, copies }: Descent): void {
    if (copies.length === 0) opening.close();
    else this.#stack.track(Promise.all(copies).then(() => opening.close()));
  }
}

function ask(tier: UpperTier, keys: readonly string[], options: ReadOptions): Awaitable<Found | undefined> {
  const onError = (error: unknown) => {
    if (options.signal?.aborted) throw error;
    tier.failed(error);
    return undefined;
  };
  try {
    const found = tier.backend.getMany(keys, options);
    if (!(found instanceof Promise)) return found;
    return found.then((answer) => {
      tier.answered();
      return answer;
    }, onError);
  } catch (error) {
    return onError(error);
  }
}

function count(tier: UpperTier, hits: number, misses: number, { peek }: ReadOptions): void {
  if (peek) return;
  tier.tally.add("hits", hits);
  tier.tally.add("misses", misses);
}

function entriesOf(keys: readonly string[], results: Found, found: readonly number[]): NewEntry[] {
  const entries: NewEntry[] = [];
  for (const index of found) {
    const stored = results[index];
    if (stored === undefined || stored.value.length > MAX_COPY_BYTES) continue;
    const { value, expiresAt, staleAt, tags, meta } = stored;
    // Filled in place: this is done for every entry that is read below the fastest tier.
    const entry: NewEntry = { key: keys[index] ?? "", value };
    if (expiresAt !== undefined) entry.expiresAt = expiresAt;
    if (staleAt !== undefined) entry.staleAt = staleAt;
    if (tags !== undefined) entry.tags = tags;
    if (meta !== undefined) entry.meta = meta;
    entries.push(entry);
  }
  return entries;
}

/**
 * With bytes that are the copies' own: who asked for an entry may change what it was given while the copy is under way. All values lie side by side, since an allocation for
 * each would cost more than the rest of its copy.
 */
function withOwnBytes(entries: readonly NewEntry[]): NewEntry[] {
  let bytes = 0;
  for (const { value } of entries) bytes += value.length;
  const room = new ArrayBuffer(bytes);
  let at = 0;
  return entries.map((entry) => {
    const value = new Uint8Array(room, at, entry.value.length);
    value.set(entry.value);
    at += value.length;
    return { ...entry, value, ...(entry.meta && { meta: new Uint8Array(entry.meta) }) };
  });
}

function noneOf(keys: readonly string[]): Found {
  return new Array(keys.length).fill(undefined);
}

function missingOf(results: Found): number[] {
  const missing: number[] = [];
  for (let i = 0; i < results.length; i++) if (results[i] === undefined) missing.push(i);
  return missing;
}

function namesOf(keys: readonly string[], indexes: readonly number[]): string[] {
  return indexes.map((index) => keys[index] ?? "");
}
