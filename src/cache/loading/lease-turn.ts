import type { Awaitable, Lease, Leasing, Stored } from "../../backends/backend.js";
import type { Clock } from "../../clock.js";
import { abortedBy } from "../../errors.js";

/** Milliseconds of the first wait for another process, and of the longest. */
const FIRST_WAIT = 5;
const LONGEST_WAIT = 250;

/** How a process comes to its turn with a key. */
export type Turn =
  /** Ours to load, over the entry that was there. */
  | { outcome: "ours"; lease: Lease; over: Stored | undefined }
  /** Somebody else's load, or its stale predecessor, will do. */
  | { outcome: "found"; entry: Stored }
  /** Somebody else is at it, and took longer than we wait; or there is an entry of which nothing can be learned here. */
  | { outcome: "waited-out" };

/** What is there of a key. */
export interface Seen {
  /** With all that is known of it; undefined where there is none that can be read here. */
  entry: Stored | undefined;
  /** Of the entry that is there, also of one that can't be read. */
  version: string | undefined;
}

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
  read: () => Awaitable<Seen>;
  /** The entry is an answer: it is fresh, or stale by permission. */
  answers: (entry: Stored) => boolean;
  /** Called before each wait for another process. */
  onWait?: (() => void) | undefined;
}

/**
 * Asks for the lease of a key until it is ours, or another process has stored what answers the question. Waits are jittered and grow, so that
 * many waiters don't ask in step.
 * @throws CacheError `aborted`
 */
export async function awaitTurn(backend: Leasing, options: TurnOptions): Promise<Turn> {
  const { key, leaseMs, lockWait, clock, random, signal, read, answers, onWait } = options;
  const end = clock.monotonic() + lockWait;
  let seen: Seen = { entry: options.over, version: options.over?.version };
  let wait = FIRST_WAIT;
  const pause = async (ms: number) => {
    await clock.sleep(Math.min(ms, wait * (0.5 + random() / 2)), signal);
    wait = Math.min(LONGEST_WAIT, wait * 2);
  };
  for (let changes = 0; ; ) {
    if (signal.aborted) throw abortedBy(signal);
    const { version } = seen;
    const answer = await backend.lease(key, leaseMs, { ...(version !== undefined && { over: version }), signal });
    if (answer.outcome === "taken") return { outcome: "ours", lease: answer.lease, over: seen.entry };
    const left = end - clock.monotonic();
    if (answer.outcome === "held") {
      if (left <= 0) return { outcome: "waited-out" };
      onWait?.();
      await pause(Math.min(left, Math.max(1, answer.waitMs)));
    } else {
      changes += 1;
      // The entry may change again and again under a key that everybody writes.
      if (changes > 1 && left > 0) await pause(left);
    }
    seen = await read();
    if (seen.entry !== undefined && answers(seen.entry)) return { outcome: "found", entry: seen.entry };
    if (answer.outcome === "held") continue;
    // An entry that can't be read was not known of before: it is worth a second try, whatever the time.
    const isNews = changes === 1 && seen.entry === undefined && seen.version !== undefined;
    if (!isNews && left <= 0) return { outcome: "waited-out" };
    if (changes > 1 && seen.version === undefined) return { outcome: "waited-out" };
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
    await clock.sleep(leaseMs / 3, signal, true);
    if (signal.aborted || !(await backend.renew(lease, leaseMs))) return;
  }
}
