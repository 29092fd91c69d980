/** Prefixes whose load times are remembered. */
const MOST = 1000;
/** Weight of the newest load in the average. */
const ALPHA = 0.2;
/** Milliseconds of a lease at least: a process that pauses that long loses it. */
const SHORTEST_LEASE = 5000;

/** How long loads usually take, by the first part of the key: an exponentially weighted moving average. */
export class LoadTimes {
  readonly #times = new Map<string, number>();

  record(key: string, ms: number): void {
    const prefix = prefixOf(key);
    const before = this.#times.get(prefix);
    this.#times.delete(prefix);
    this.#times.set(prefix, before === undefined ? ms : before + ALPHA * (ms - before));
    if (this.#times.size <= MOST) return;
    const oldest = this.#times.keys().next();
    if (!oldest.done) this.#times.delete(oldest.value);
  }

  /** Milliseconds for which a key is leased: three times what its load usually takes, and no less than five seconds. */
  leaseFor(key: string): number {
    return Math.ceil(Math.max(SHORTEST_LEASE, 3 * (this.#times.get(prefixOf(key)) ?? 0)));
  }
}

function prefixOf(key: string): string {
  return key.slice(0, key.indexOf(":") + 1);
}
