import type { DeleteOptions, DeleteReport } from "../backend.js";
import { KEYS_PER_UNLINK } from "./remove-keys.js";
import type { Store } from "./store.js";

/** Pace, end and account of one deletion. */
export class Progress {
  readonly #store: Store;
  readonly #options: DeleteOptions;
  readonly #start: number;
  deleted = 0;
  softened = 0;

  constructor(store: Store, options: DeleteOptions) {
    this.#store = store;
    this.#options = options;
    this.#start = store.clock.monotonic();
  }

  get stopped(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  /** Entries of the next step: at a given rate, a tenth of a second's. */
  get step(): number {
    const { rate } = this.#options;
    return rate === undefined ? KEYS_PER_UNLINK : Math.max(1, Math.min(KEYS_PER_UNLINK, Math.floor(rate / 10)));
  }

  /** It waits between steps. */
  get isPaced(): boolean {
    return this.#options.rate !== undefined;
  }

  get left(): number {
    return (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.deleted - this.softened;
  }

  async advance(deleted: number, softened = 0): Promise<void> {
    this.deleted += deleted;
    this.softened += softened;
    const done = this.deleted + this.softened;
    this.#options.onProgress?.(done);
    const { rate, signal } = this.#options;
    if (rate === undefined || rate <= 0) return;
    const ahead = (done / rate) * 1000 - (this.#store.clock.monotonic() - this.#start);
    if (ahead > 0) await this.#store.clock.sleep(ahead, signal);
  }

  /** @param cursor where to go on; undefined = all is done */
  report(cursor: string | undefined): DeleteReport {
    const { deleted, softened } = this;
    return { deleted, softened, complete: cursor === undefined, ...(cursor !== undefined && { cursor }) };
  }
}
