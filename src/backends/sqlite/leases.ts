import { randomBytes } from "node:crypto";
import { CacheError } from "../../errors.js";
import type { Lease, LeaseAnswer } from "../backend.js";
import type { Link } from "./link.js";
import type { Log } from "./log.js";
import { currentVersion } from "./versions.js";

/**
 * Takes the right to load a key, in the transaction of the caller. One that has ended is free.
 * @param over the version that the caller knows the entry by
 * @param now epoch milliseconds
 */
export function takeLease(
  link: Link,
  namespace: string,
  log: Log,
  { key, ms, over, now }: { key: string; ms: number; over: string | undefined; now: number },
): LeaseAnswer {
  const k = namespace + key;
  if (liveVersion(link, k, now) !== over) return { outcome: "changed" };
  const until = link.column<number>("SELECT until FROM leases WHERE k = ? AND until > ?").get(k, now);
  if (until !== undefined) return { outcome: "held", waitMs: until - now };
  const lease = { key, token: randomBytes(12).toString("hex") };
  link
    .action(
      "INSERT INTO leases (k, token, until) VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET (token, until) = (excluded.token, excluded.until)",
    )
    .run(k, lease.token, now + ms);
  // What others left behind goes a little at a time.
  link.action("DELETE FROM leases WHERE k IN (SELECT k FROM leases WHERE until <= ? LIMIT 4)").run(now);
  log.keep(link, now, ms);
  return { outcome: "taken", lease: { ...lease, since: log.end(link), ...(over !== undefined && { over }) } };
}

/** False where it is no longer ours. */
export function renewLease(link: Link, namespace: string, { key, token }: Lease, until: number, now: number): boolean {
  const sql = "UPDATE leases SET until = ? WHERE k = ? AND token = ? AND until > ?";
  return link.action(sql).run(until, namespace + key, token, now).changes > 0;
}

/** Gives the lease back; true if it was still ours. */
export function endLease(link: Link, namespace: string, { key, token }: Lease, now: number): boolean {
  const k = namespace + key;
  const until = link.column<number>("DELETE FROM leases WHERE k = ? AND token = ? RETURNING until").get(k, token);
  return until !== undefined && until > now;
}

/** True if the entry is still the one that the lease is for: the same version, or none. */
export function isStillOver(link: Link, namespace: string, { key, over }: Lease, now: number): boolean {
  const k = namespace + key;
  // What has expired since is still what the refresh is over.
  return (over === undefined ? liveVersion(link, k, now) : anyVersion(link, k)) === over;
}

function liveVersion(link: Link, k: string, now: number): string | undefined {
  const sql = "SELECT id FROM entries WHERE k = ? AND (expires_at IS NULL OR expires_at > ?)";
  const id = link.column<number>(sql).get(k, now);
  return id === undefined ? undefined : currentVersion(link, id);
}

function anyVersion(link: Link, k: string): string | undefined {
  const id = link.column<number>("SELECT id FROM entries WHERE k = ?").get(k);
  return id === undefined ? undefined : currentVersion(link, id);
}

/** Removes leases that have ended. */
export function endLeases(link: Link, now: number): void {
  link.action("DELETE FROM leases WHERE until <= ?").run(now);
}

/** @throws CacheError `invalid-lease-time` */
export function checkLeaseTime(ms: number): void {
  if (Number.isFinite(ms) && ms > 0) return;
  throw new CacheError("usage", "invalid-lease-time", `a lease can't last ${ms} ms`, {
    hint: "Give milliseconds above zero.",
  });
}
