import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock.js";
import type { Lease } from "../backend.js";
import type { ChangeRing } from "./change-ring.js";

interface Held {
  lease: Lease;
  /** Monotonic time of its end. */
  until: number;
}

/** Who loads which key. A lease that ended by itself is none. */
export class LeaseBook {
  readonly #clock: Clock;
  readonly #log: ChangeRing;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock, log: ChangeRing) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The new lease, or the milliseconds for which somebody else has it at most. */
  take(key: string, ms: number, over: string | undefined): Lease | number {
    this.#forgetSome();
    const now = this.#clock.monotonic();
    const held = this.#held.get(key);
    // What is loaded under a lease that a change overtook can't be stored: the next one need not wait for it.
    if (held && held.until > now && !this.#log.covers({ key, tags: [] }, held.lease.since)) return held.until - now;
    const since = this.#log.position(ms);
    const lease: Lease = { key, token: randomUUID(), since, ...(over !== undefined && { over }) };
    this.#held.delete(key);
    this.#held.set(key, { lease, until: now + ms });
    return lease;
  }

  renew({ key, token }: Lease, ms: number): boolean {
    const held = this.#ours(key, token);
    if (!held) return false;
    held.until = this.#clock.monotonic() + ms;
    this.#log.position(ms);
    return true;
  }

  /** Ends it; true if it was still there. */
  release({ key, token }: Lease): boolean {
    if (!this.#ours(key, token)) return false;
    this.#held.delete(key);
    return true;
  }

  clear(): void {
    this.#held.clear();
  }

  get size(): number {
    return this.#held.size;
  }

  #ours(key: string, token: string): Held | undefined {
    const held = this.#held.get(key);
    return held?.lease.token === token && held.until > this.#clock.monotonic() ? held : undefined;
  }

  /** With every lease that is taken two are looked at: so those that nobody gave back go as quickly as new ones come. */
  #forgetSome(): void {
    const now = this.#clock.monotonic();
    let looks = 0;
    for (const [key, held] of this.#held) {
      if (looks++ === 2) return;
      this.#held.delete(key);
      if (held.until > now) this.#held.set(key, held);
    }
  }
}
