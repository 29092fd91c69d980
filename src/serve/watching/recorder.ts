import type { ServerPoint } from "../../api/events.js";
import type { Clock } from "../../clock.js";
import type { Seen } from "./family.js";
import { joined, pointOf, type Span, spanBetween, totalsOf } from "./points.js";

export interface RecorderOptions {
  /** What can be seen now. */
  see: () => Promise<Seen>;
  /** Milliseconds between two looks while nobody listens; 0 = there are none. */
  idleMs: number;
  /** Whether somebody listens. */
  isHeard: () => boolean;
  /** @param point undefined where too little time has passed since the last one */
  onLook: (seen: Seen, point: ServerPoint | undefined) => void;
  onFailure: (error: unknown) => void;
}

/** Milliseconds between two looks while somebody listens. */
const LIVE_MS = 2000;
/** Less than that shows nothing but chance. */
const LEAST_MS = 1000;
/** Looks take no more than this part of the time: SQLite goes through all entries of the namespace for one, 0.15 ms a thousand. Waiting for a store that is away is no work. */
const MOST_OF_TIME = 0.02;
/** Points that are kept as they were taken; older ones are joined to such of `COARSE_MS`, of which so many are kept. */
const FINE = 120;
const COARSE_MS = 10_000;
const COARSE = 330;

/** Keeps what went on in a server for about an hour, as points of a curve: closer ones while somebody looks. It keeps no process alive. */
export class Recorder {
  readonly #clock: Clock;
  readonly #options: RecorderOptions;
  readonly #stop = new AbortController();
  readonly #fine: Span[] = [];
  readonly #coarse: Span[] = [];
  readonly #ended: Promise<void>;
  #before: { totals: ReturnType<typeof totalsOf>; at: number } | undefined;
  #pause = new AbortController();

  constructor(clock: Clock, options: RecorderOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#ended = this.#run();
  }

  /** Oldest first. */
  get points(): ServerPoint[] {
    return [...this.#coarse, ...this.#fine].map(pointOf);
  }

  /** Somebody came who wants to know more. */
  wake(): void {
    this.#pause.abort();
  }

  /** Ends it; resolves when a look under way is over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#pause.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const start = this.#clock.monotonic();
      const { idleMs, isHeard } = this.#options;
      const isWork = (idleMs > 0 || isHeard()) && (await this.#look());
      const took = isWork ? this.#clock.monotonic() - start : 0;
      const pause = isHeard() ? LIVE_MS : idleMs > 0 ? Math.max(idleMs, LIVE_MS) : Number.POSITIVE_INFINITY;
      this.#pause = new AbortController();
      if (this.#stop.signal.aborted) return;
      await this.#clock.sleep(Math.max(pause, took / MOST_OF_TIME), this.#pause.signal, true);
    }
  }

  /** @returns whether all stores answered */
  async #look(): Promise<boolean> {
    const { see, onLook, onFailure } = this.#options;
    try {
      const seen = await see();
      onLook(seen, this.#pointOf(seen));
      return seen.store.tiers.every(({ connected }) => connected);
    } catch (error) {
      onFailure(error);
      return false;
    }
  }

  #pointOf(seen: Seen): ServerPoint | undefined {
    const at = this.#clock.monotonic();
    const before = this.#before;
    if (before && at - before.at < LEAST_MS) return undefined;
    const totals = totalsOf(seen);
    this.#before = { totals, at };
    if (before === undefined) return undefined;
    const span = spanBetween([before.totals, totals], seen, this.#clock.now(), at - before.at);
    this.#keep(span);
    return pointOf(span);
  }

  #keep(span: Span): void {
    this.#fine.push(span);
    if (this.#fine.length <= FINE) return;
    const oldest = this.#fine.shift();
    const last = this.#coarse.at(-1);
    if (oldest === undefined) return;
    if (last && last.point.ms + oldest.point.ms <= COARSE_MS)
      this.#coarse[this.#coarse.length - 1] = joined(last, oldest);
    else this.#coarse.push(oldest);
    if (this.#coarse.length > COARSE) this.#coarse.shift();
  }
}
