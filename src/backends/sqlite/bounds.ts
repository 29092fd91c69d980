import { CacheError } from "../../errors.js";
import type { Link } from "./link.js";

/** What a store may hold, over all namespaces: entries, and bytes of their values. */
export interface Bounds {
  /** Entries at most, 1 or more. */
  maxEntries?: number;
  /** Bytes of values at most, 1 or more. */
  maxBytes?: number;
  /** What goes first: what was written first (default), or what was not read for the longest time. Expired entries go before either. */
  policy?: "fifo" | "lru";
}

/** @throws CacheError `invalid-bounds` */
export function checkBounds(bounds: Bounds): void {
  for (const name of ["maxEntries", "maxBytes"] as const) {
    const value = bounds[name];
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new CacheError("usage", "invalid-bounds", `${name} can't be ${value}`, {
      hint: `Give ${name} as a whole number above zero.`,
    });
  }
}

export type VictimRow = [id: number, k: string, expiresAt: number | null, size: number, tags: string | null];

const COLUMNS = "id, k, expires_at, size, tags";

/** The entry that goes next. */
export function victim(link: Link, policy: "fifo" | "lru", now: number): VictimRow | undefined {
  const expired = link
    .rows<VictimRow>(`SELECT ${COLUMNS} FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT 1`)
    .get(now);
  if (expired) return expired;
  const order = policy === "lru" ? "accessed_at, id" : "id";
  return link.rows<VictimRow>(`SELECT ${COLUMNS} FROM entries ORDER BY ${order} LIMIT 1`).get();
}

/** Reads move an entry away from its end. */
export function isLru({ maxEntries, maxBytes, policy }: Bounds): boolean {
  return policy === "lru" && (maxEntries !== undefined || maxBytes !== undefined);
}
