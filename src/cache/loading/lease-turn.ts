import type { Awaitable, Lease, Leasing, Stored } from "../../backends/backend.js";
import type { Clock } from "../../clock.js";

/** Milliseconds of the first wait for another process, and of the longest. */
const FIRST_WAIT = 5;
const LONGEST_WAIT = 250;

/** How a process comes to its turn with a key. */
export type Turn =
  /** Ours to load, over the entry that was there. */
  | { outcome: "ours"; lease: Lease; over: Stored | undefined }
  /** Somebody else's load, or its stale predecessor, will do. */
  | { outcome: "found"; entry: Stored }
  /** Somebody else is at it, and took longer than we wait. */
  | { outcome: "waited-out" };

export interface TurnOptions {
  key: string;
  /** The entry that is to be replaced. */
  over: Stored | undefined;
  leaseMs: number;
  /** Milliseconds to wait for another process. */
  lockWait: number;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** Reads the entry with all that is known of it. */
  read: () => Awaitable<Stored | undefined>;
  /** The entry is an answer: it is fresh, or stale by permission. */
  answers: (entry: Stored) => boolean;
  /** Called before each wait for another process. */
  onWait?: (() => void) | undefined;
}

/**
 * Asks for the lease of a key until it is ours, or another process has stored what answers the question. Waits are jittered and grow, so that
 * many waiters don't ask in step.
 */
export async function awaitTurn(backend: Leasing, options: TurnOptions): Promise<Turn> {
  const { key, leaseMs, lockWait, clock, random, signal, read, answers, onWait } = options;
  const end = clock.monotonic() + lockWait;
  let over = options.over;
  let wait = FIRST_WAIT;
  for (;;) {
    const answer = await backend.lease(key, leaseMs, {
      ...(over?.version !== undefined && { over: over.version }),
      signal,
    });
    if (answer.outcome === "taken") return { outcome: "ours", lease: answer.lease, over };
    if (answer.outcome === "held") {
      const left = end - clock.monotonic();
      if (left <= 0 || signal.aborted) return { outcome: "waited-out" };
      onWait?.();
      await clock.sleep(Math.min(left, Math.max(1, answer.waitMs), wait * (0.5 + random() / 2)), signal);
      wait = Math.min(LONGEST_WAIT, wait * 2);
    }
    const entry = await read();
    if (entry !== undefined && answers(entry)) return { outcome: "found", entry };
    over = entry;
    // The entry may change again and again under a key that everybody writes.
    if (answer.outcome === "changed" && clock.monotonic() >= end) return { outcome: "waited-out" };
  }
}

/** Renews a lease until the signal is given, or it is no longer ours: then `commit` will say so. */
export async function keepRenewing(
  backend: Leasing,
  lease: Lease,
  leaseMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(leaseMs / 3, signal);
    if (signal.aborted || !(await backend.renew(lease, leaseMs))) return;
  }
}
