import type { Clock } from "../../clock.js";
import type { CacheError } from "../../errors.js";
import type { StoreEvent } from "../../events.js";
import { openBreakerError } from "./failures.js";
import type { BreakerSettings } from "./options.js";
import { OutcomeWindow } from "./outcome-window.js";

/** Names the state in which an attempt was let through: what comes of it later says nothing about another state. */
export type Permit = number;

type State = "closed" | "open" | "half-open";

/**
 * Keeps callers from a store that fails (Michael Nygard, Release It!, 2nd ed., "Circuit Breaker"): it opens after failures in a row, or when too many of the
 * last attempts failed; then one probe is let through after a time that doubles until one succeeds.
 */
export class Breaker {
  /** True if attempts are let through; the hot path looks at nothing else. */
  closed = true;
  trips = 0;
  readonly #settings: BreakerSettings | undefined;
  readonly #clock: Clock;
  readonly #target: () => string;
  readonly #changed: (code: StoreEvent["code"], message: string) => void;
  readonly #window: OutcomeWindow;
  #state: State = "closed";
  #permit: Permit = 0;
  #inARow = 0;
  #openMs = 0;
  /** When a probe may be made, or when the one under way is given up; monotonic. */
  #until = 0;
  #cause: CacheError | undefined;

  /** @param settings undefined = it never opens */
  constructor(
    settings: BreakerSettings | undefined,
    clock: Clock,
    target: () => string,
    changed: (code: StoreEvent["code"], message: string) => void,
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#target = target;
    this.#changed = changed;
    this.#window = new OutcomeWindow(settings?.windowMs ?? 1, clock);
  }

  get state(): State | "off" {
    return this.#settings === undefined ? "off" : this.#state;
  }

  /** For what began earlier and is let go on whatever the state is. */
  get permit(): Permit {
    return this.#permit;
  }

  /** Milliseconds until the next probe may be made; 0 while closed. */
  get waitMs(): number {
    return this.#state === "closed" ? 0 : Math.max(0, this.#until - this.#clock.monotonic());
  }

  /** @throws CacheError `breaker-open` */
  check(): void {
    if (!this.closed) throw openBreakerError(this.#target(), this.waitMs, this.#cause);
  }

  /**
   * Asks to make an attempt. While it is open, the first one after its time is the probe.
   * @throws CacheError `breaker-open`
   */
  admit(): Permit {
    if (this.#state === "closed") return this.#permit;
    const left = this.waitMs;
    if (left > 0) throw openBreakerError(this.#target(), this.#state === "open" ? left : 0, this.#cause);
    // A probe that never ends, where calls have no deadline, must not keep it in this state for ever.
    this.#enter("half-open", this.#openMs);
    return this.#permit;
  }

  /** An attempt that was answered at once, without a permit. */
  pass(): void {
    this.#inARow = 0;
    this.#window.untimed += 1;
  }

  succeeded(permit: Permit): void {
    if (permit !== this.#permit) return;
    if (this.#state === "closed") {
      this.#inARow = 0;
      this.#window.add(true);
    } else if (this.#state === "half-open") {
      this.#inARow = 0;
      this.#window.clear();
      this.#enter("closed", 0);
    }
  }

  failed(permit: Permit, error: CacheError): void {
    if (permit !== this.#permit || this.#settings === undefined) return;
    this.#cause = error;
    if (this.#state === "half-open") {
      this.#open(Math.min(this.#settings.maxOpenMs, this.#openMs * 2));
    } else if (this.#state === "closed") {
      this.#inARow += 1;
      this.#window.add(false);
      const { all, bad } = this.#window.sums();
      const { failures, minimumCalls, failureRate, openMs } = this.#settings;
      if (this.#inARow >= failures || (all >= minimumCalls && bad >= failureRate * all)) this.#open(openMs);
    }
  }

  /** An attempt that ended without saying anything about the store: it was the caller who ended it, or his mistake. */
  undecided(permit: Permit): void {
    if (permit === this.#permit && this.#state === "half-open") this.#enter("open", 0);
  }

  #open(ms: number): void {
    this.#openMs = ms;
    if (this.#state === "closed") this.trips += 1;
    this.#enter("open", ms);
  }

  /** @param ms until something else may happen */
  #enter(state: State, ms: number): void {
    const before = this.#state;
    this.#state = state;
    this.closed = state === "closed";
    this.#permit += 1;
    this.#until = this.#clock.monotonic() + ms;
    if (state === before) return;
    const target = this.#target();
    if (state === "open") {
      const why = this.#cause === undefined ? "" : `: ${this.#cause.message}`;
      this.#changed("breaker-open", `${target} fails and is not asked for ${ms} ms${why}`);
    } else if (state === "half-open") this.#changed("breaker-half-open", `${target} is tried again`);
    else this.#changed("breaker-closed", `${target} answers again`);
  }
}
