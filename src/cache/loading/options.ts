import type { Awaitable } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";
import { ABOVE_ZERO, CHECKED_ELSEWHERE, checkOptions, type Forms, numberFrom } from "../../option-checks.js";
import { checkTtl, uniqueTags } from "../new-entry.js";
import { CALL } from "../option-forms.js";
import type { CallOptions } from "../options.js";

/** What a loader is told, and what it may say about its result. */
export interface LoadContext {
  readonly key: string;
  /** Given when the load takes too long, or when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** The stale value that is to be replaced, if there is one. (Were it typed, no loader with a parameter could have its own type inferred.) */
  readonly stale: unknown;
  /** Milliseconds for which the result is fresh, null = for ever; wins over the options. */
  setTtl(ttl: number | null): void;
  /** Tags of the result; win over the options. */
  setTags(tags: readonly string[]): void;
  /** The result goes to its callers and is not kept. */
  dontStore(): void;
}

/** Gives the value of a key from where it comes from; `undefined`: there is none. */
export type Loader<T> = (context: LoadContext) => Awaitable<T | undefined>;

/** How long what was loaded may be used. All times in milliseconds. */
export interface LoadOptions<T = unknown> extends CallOptions {
  /** How long a value is kept; with a stale window, how long it is fresh, unless `softTtl` says that. null = for ever. Default: that of the cache. */
  ttl?: number | null;
  /** How long a value is fresh. Without a stale window of its own it is stale from then until its `ttl` ends. */
  softTtl?: number;
  /** How long after it went stale a value is still given, while one refresh runs. */
  staleWhileRevalidate?: number;
  /** How long after it went stale a value is still given where loading a new one fails. */
  staleIfError?: number;
  /**
   * How long it is remembered that there is no value, which a loader says with `undefined` (`null` is a value like any other). Default: not at all, each call
   * asks the loader.
   */
  negativeTtl?: number;
  tags?: readonly string[] | ((value: T) => readonly string[]);
  /** How long a loader may take; default 30,000. Then its signal is given, and its callers get the error `load-timeout` or a stale value. */
  loadTimeout?: number;
  /** How long to wait for another process that is loading the same key, before loading as well and not keeping the result; default 10,000. */
  lockWait?: number;
  /** The part of a TTL that chance may take off, 0 to 1, so that what was loaded together doesn't end together; default 0. */
  ttlJitter?: number;
}

export const LOAD_TIMEOUT = 30_000;
export const LOCK_WAIT = 10_000;

/** What has an error of its own is checked below. */
export const LOAD: Forms<LoadOptions> = {
  ...CALL,
  ttl: CHECKED_ELSEWHERE,
  softTtl: CHECKED_ELSEWHERE,
  staleWhileRevalidate: numberFrom(0),
  staleIfError: numberFrom(0),
  negativeTtl: CHECKED_ELSEWHERE,
  tags: CHECKED_ELSEWHERE,
  loadTimeout: ABOVE_ZERO,
  lockWait: numberFrom(0),
  ttlJitter: numberFrom(0, 1),
};

/** @throws CacheError `invalid-ttl`, `invalid-tag`, `invalid-load-options` */
export function checkLoadOptions<T>(key: string, options: LoadOptions<T>): void {
  checkOptions("reading through", options, LOAD, "invalid-load-options");
  const { ttl, softTtl, negativeTtl, tags } = options;
  if (tags !== undefined && typeof tags !== "function") uniqueTags(tags);
  for (const each of [ttl, softTtl, negativeTtl]) if (each !== undefined && each !== null) checkTtl(each, key);
  if (softTtl !== undefined && typeof ttl === "number" && softTtl > ttl)
    throw new CacheError("usage", "invalid-load-options", `softTtl can't be ${softTtl}`, {
      hint: "Give a softTtl that is no longer than the ttl.",
    });
}

/** Milliseconds that count from the moment at which a value goes stale. */
export interface StaleWindows {
  whileRevalidate: number;
  ifError: number;
}

/** What is given of a stale entry by these options; an entry that was softly invalidated has no other windows. */
export function staleWindows<T>(options: LoadOptions<T>, defaultTtl: number | null): StaleWindows {
  const { softTtl, staleWhileRevalidate, staleIfError } = options;
  if (softTtl === undefined || staleWhileRevalidate !== undefined || staleIfError !== undefined) {
    return { whileRevalidate: staleWhileRevalidate ?? 0, ifError: staleIfError ?? 0 };
  }
  const ttl = options.ttl === undefined ? defaultTtl : options.ttl;
  const rest = ttl === null ? Number.POSITIVE_INFINITY : Math.max(0, ttl - softTtl);
  return { whileRevalidate: rest, ifError: rest };
}

/** The options let a stale value be given, in some case. */
export function allowsStale<T>({ softTtl, staleWhileRevalidate, staleIfError }: LoadOptions<T>): boolean {
  return softTtl !== undefined || staleWhileRevalidate !== undefined || staleIfError !== undefined;
}

/** Until when an entry is fresh, and until when it is there: epoch milliseconds, absent = for ever. */
export interface Deadlines {
  staleAt?: number;
  expiresAt?: number;
}

/**
 * Deadlines of a value that was loaded now.
 * @param fresh what the loader itself said with `setTtl`; undefined = nothing
 * @param chance 0 up to 1: how much of the jitter is taken off
 */
export function deadlinesOf<T>(
  options: LoadOptions<T>,
  fresh: number | null | undefined,
  defaultTtl: number | null,
  now: number,
  chance: number,
): Deadlines {
  const { whileRevalidate, ifError } = staleWindows(options, defaultTtl);
  const stale = Math.max(whileRevalidate, ifError);
  const ttl = options.ttl === undefined ? defaultTtl : options.ttl;
  const base = fresh === undefined ? (options.softTtl ?? ttl) : fresh;
  if (base === null) return {};
  const kept = base * (1 - (options.ttlJitter ?? 0) * chance);
  const staleAt = now + kept;
  if (stale === 0) return { expiresAt: staleAt };
  if (stale === Number.POSITIVE_INFINITY) return { staleAt };
  const bounded = fresh === undefined && options.softTtl !== undefined && typeof options.ttl === "number";
  const expiresAt = Math.min(staleAt + stale, bounded ? now + Number(options.ttl) : Number.POSITIVE_INFINITY);
  return expiresAt > staleAt ? { staleAt, expiresAt } : { expiresAt };
}
