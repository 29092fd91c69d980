import type { Awaitable, Lease, LeaseAnswer, LeaseOptions } from "../backend.js";
import { checkSignal } from "./failures.js";
import { checkLeaseTime, endLease, renewLease, takeLease } from "./leases.js";
import type { Log } from "./log.js";
import type { Store } from "./store.js";
import { checkHead } from "./writer.js";

/** Rights to load a key, of one namespace, each taken, renewed and given back in a transaction of its own. */
export class Leases {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #log: Log;

  constructor(store: Store, namespace: string, log: Log) {
    this.#store = store;
    this.#namespace = namespace;
    this.#log = log;
  }

  take(key: string, ms: number, { over, signal }: LeaseOptions = {}): Awaitable<LeaseAnswer> {
    this.#store.checkWritable();
    checkSignal(signal);
    checkHead({ key });
    checkLeaseTime(ms);
    const { clock } = this.#store;
    return this.#store.change(
      (link) => takeLease(link, this.#namespace, this.#log, { key, ms, over, now: clock.now() }),
      signal,
    );
  }

  renew(lease: Lease, ms: number): Awaitable<boolean> {
    this.#store.checkWritable();
    checkLeaseTime(ms);
    return this.#store.change((link) => {
      const now = this.#store.clock.now();
      const isOurs = renewLease(link, this.#namespace, lease, now + ms, now);
      // The log must reach back to the beginning of the lease when it is committed.
      if (isOurs) this.#log.keep(link, now, ms);
      return isOurs;
    });
  }

  /** Safe at any time, also when the store is closed. */
  release(lease: Lease): Awaitable<void> {
    if (this.#store.isClosed || this.#store.readOnly) return;
    return this.#store.change((link) => {
      endLease(link, this.#namespace, lease, this.#store.clock.now());
    });
  }
}
