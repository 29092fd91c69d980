import type { Clock } from "../../clock.js";
import type { Backend, ChangePage, Position } from "../backend.js";
import { Freshness } from "./freshness.js";

/** Milliseconds after an error until the log is asked for again, at least and at most, doubling with full jitter. */
const FIRST_DELAY_MS = 20;
const LONGEST_DELAY_MS = 1000;

export interface Heard {
  /** From now on changes are heard; what was before is not known. */
  began(): void;
  /** Returns when the copies that the page is about can no longer be read. */
  page(page: ChangePage): void;
  /** The log was read to its end, or could not be read. */
  looked(): void;
}

/** Reads the log of one store for as long as it is open. */
export class Follower {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #heard: Heard;
  readonly #freshness: Freshness;
  /** Resolves when the log was asked for its end for the first time, whatever came of it. */
  readonly asked: Promise<void>;
  #answered = () => {};
  #position: Position | undefined;
  #failures = 0;
  #failure: unknown;

  constructor(backend: Backend, clock: Clock, heard: Heard) {
    this.#backend = backend;
    this.#clock = clock;
    this.#heard = heard;
    this.#freshness = new Freshness(clock);
    this.asked = new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  /** Up to where the log was heard; undefined before it could be read for the first time. */
  get position(): Position | undefined {
    return this.#position;
  }

  /**
   * Milliseconds for which changes may have gone unheard. Counted from when the last look that got to the end began: an answer can lie unread for as long
   * as this process was stopped.
   */
  age(): number {
    return this.#freshness.age();
  }

  /** Why the log could not be read the last time; undefined when it could. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Follows until the signal is given; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#begin(signal);
        await this.#follow(signal);
      } catch (error) {
        this.#failures += 1;
        this.#failure = error;
      }
      this.#answered();
      this.#heard.looked();
      const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#failures, 10));
      await this.#clock.sleep(FIRST_DELAY_MS + Math.random() * most, signal);
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    if (this.#position !== undefined) return;
    const asked = this.#freshness.now();
    const position = await this.#backend.position({ signal });
    this.#position = position;
    this.#heard.began();
    this.#freshness.set(asked);
    this.#answered();
    this.#heard.looked();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#position === undefined) return;
    const pages = this.#backend.changes(this.#position, signal)[Symbol.asyncIterator]();
    try {
      while (!signal.aborted) {
        const asked = this.#freshness.now();
        const next = await pages.next();
        if (next.done === true || signal.aborted) return;
        this.#failures = 0;
        this.#failure = undefined;
        this.#heard.page(next.value);
        this.#position = next.value.position;
        if (next.value.more !== true) this.#freshness.set(asked);
        this.#heard.looked();
      }
    } finally {
      await pages.return?.();
    }
  }
}
