import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { showKey } from "../../key.js";
import type { Connection } from "./connection.js";
import { abortedBy } from "./errors.js";
import type { Names, RawKey } from "./names.js";
import type { Scripts } from "./scripts.js";

/** What the parts of the backend work with. */
export interface Store {
  connection: Connection;
  names: Names;
  scripts: Scripts;
  clock: Clock;
}

/**
 * The items that one script may touch together: all of them, or on a cluster those of each key, for of keys that share a slot some may have moved on already.
 * Within a group they keep their order.
 */
export function group<T>(store: Store, items: readonly T[], keyOf: (item: T) => RawKey): T[][] {
  if (!store.connection.clustered) return items.length === 0 ? [] : [[...items]];
  const byKey = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const name = typeof key === "string" ? key : key.toString("latin1");
    const others = byKey.get(name);
    if (others) others.push(item);
    else byKey.set(name, [item]);
  }
  return [...byKey.values()];
}

/** What the scripts take for the prefix of internal keys: none where they may touch the slot of their entries alone. */
export function baseOf({ connection, names }: Store): string {
  return connection.clustered ? "" : names.internal;
}

/** True if entries of the namespace may have tags; where it is false there are no sidecars and no indexes. */
export async function hasTags(store: Store): Promise<boolean> {
  return (await store.connection.call(["EXISTS", store.names.registry])) === 1;
}

/** A change and its place in the log can't be one step. */
export const isStepwise = ({ connection, scripts }: Store) => connection.clustered || !scripts.allowed;

/** The relative deadline as the scripts take it: "" = never, "-" = already past, else milliseconds. */
export function relativeDeadline(expiresAt: number | null | undefined, now: number): string {
  if (expiresAt === undefined || expiresAt === null) return "";
  const ms = Math.ceil(expiresAt - now);
  return ms <= 0 ? "-" : `${ms}`;
}

/** What such a deadline says in milliseconds to live, -1 = never. */
export const ttlOf = (deadline: string) => (deadline === "" ? -1 : deadline === "-" ? 0 : Number(deadline));

export function wrongType(store: Store, key: string): CacheError {
  return new CacheError(
    "store",
    "wrong-type",
    `${store.connection.target}: ${showKey(key)} holds another Redis type than a string`,
    {
      key,
      hint: "Use another key, or remove this one by naming its type.",
    },
  );
}

/** @throws CacheError `aborted`, or the reason given, if that is one */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal);
}

/** The promise, or the end of waiting for it when the signal is given first; what was sent is not taken back. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  if (signal.aborted) {
    // It is under way already, and nobody waits for its end.
    work.catch(() => undefined);
    throw abortedBy(signal);
  }
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      try {
        checkSignal(signal);
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

export function* chunks<T>(list: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < list.length; i += size) yield list.slice(i, i + size);
}

/** Awaited later; until then a failure must not count as unhandled. */
export function heldBack<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}
