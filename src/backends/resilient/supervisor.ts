import type { Clock } from "../../clock.js";
import type { StoreEvent } from "../../events.js";
import type { Awaitable, ResilienceInfo } from "../backend.js";
import { isPromise } from "./awaitable.js";
import { Breaker, type Permit } from "./breaker.js";
import { backoffMs, RetryBudget } from "./budget.js";
import { Deadlines } from "./deadlines.js";
import { closedError, isAnswer, isStoreFailure } from "./failures.js";
import type { ResilienceContext, ResilienceSettings } from "./options.js";
import { type Operation, type Overseer, Pursuit } from "./pursuit.js";
import type { Source } from "./source.js";

/** Everything between a caller and one store: lets attempts through, follows them, and keeps account of how they ended. */
export class Supervisor implements Overseer {
  readonly settings: ResilienceSettings;
  readonly source: Source;
  readonly clock: Clock;
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
  readonly deadlines: Deadlines;
  readonly counts = { failures: 0, retries: 0, timeouts: 0 };
  /** For people, without secrets. */
  readonly target: string;
  /** The last attempt was answered; false before the first, of a store that is opened later. */
  connected: boolean;
  /** When the store last answered something that took time; monotonic. */
  heardAt = Number.NEGATIVE_INFINITY;
  readonly #random: () => number;
  #lastError: ResilienceInfo["lastError"];
  /** The last answer came at once: what answers so can't be stopped in between, and needs no signal. */
  #synchronous = false;

  constructor(source: Source, settings: ResilienceSettings, context: ResilienceContext, changed: () => void) {
    this.source = source;
    this.settings = settings;
    this.clock = context.clock;
    this.connected = source.backend !== undefined;
    this.target = context.target ?? source.backend?.name ?? "the store";
    this.#random = context.random ?? Math.random;
    this.budget = new RetryBudget(this.clock);
    this.deadlines = new Deadlines(settings.timeoutMs, this.clock);
    const tell = (code: StoreEvent["code"], message: string) => {
      changed();
      context.emit({ type: "store", code, store: this.target, message });
    };
    this.breaker = new Breaker(settings.breaker, this.clock, () => this.target, tell);
  }

  info(): ResilienceInfo {
    const { breaker } = this;
    return {
      breaker: breaker.state,
      trips: breaker.trips,
      ...this.counts,
      ...(this.#lastError && { lastError: this.#lastError }),
      connected: this.connected,
    };
  }

  /** Answers at once where the store does. */
  perform<T>(operation: Operation<T>): Awaitable<T> {
    const permit = this.admit(operation);
    const { backend } = this.source;
    if (backend === undefined) return this.#begin(operation, permit);
    const stop = operation.stoppable && !this.#synchronous ? new AbortController() : undefined;
    let answer: Awaitable<T>;
    try {
      answer = operation.attempt(backend, stop?.signal ?? operation.signal, nothing);
    } catch (error) {
      return this.#pursuit(operation, stop).follow(Promise.reject(error), permit).answer;
    }
    return this.adopt(answer, operation, permit, stop);
  }

  /** Goes on with what was asked of the store already. */
  adopt<T>(answer: Awaitable<T>, operation: Operation<T>, permit?: Permit, stop?: AbortController): Awaitable<T> {
    if (!isPromise(answer)) {
      this.#synchronous = true;
      this.#succeededAtOnce(permit);
      return answer;
    }
    this.#synchronous = false;
    return this.#pursuit(operation, stop).follow(answer, permit).answer;
  }

  /** Never answers at once. */
  async pursue<T>(operation: Operation<T>): Promise<T> {
    return this.#begin(operation, this.admit(operation));
  }

  #begin<T>(operation: Operation<T>, permit: Permit | undefined): Promise<T> {
    return this.#pursuit(operation).begin(permit).answer;
  }

  #pursuit<T>(operation: Operation<T>, stop?: AbortController): Pursuit<T> {
    this.budget.earn(1);
    return new Pursuit(this, operation, stop);
  }

  /**
   * @returns undefined for what the breaker is not to hear of
   * @throws CacheError `closed`, `breaker-open`
   */
  admit({ admitted, uncounted }: Pick<Operation<unknown>, "admitted" | "uncounted">): Permit | undefined {
    if (this.source.closed) throw closedError(this.target);
    if (uncounted) {
      this.breaker.check();
      return undefined;
    }
    return admitted ? this.breaker.permit : this.breaker.admit();
  }

  backoffMs(retry: number): number {
    const { retryBaseMs, retryCapMs } = this.settings;
    return backoffMs(retry, retryBaseMs, retryCapMs, this.#random);
  }

  #succeededAtOnce(permit: Permit | undefined): void {
    this.connected = true;
    if (permit === undefined || this.breaker.closed) this.breaker.pass();
    else this.breaker.succeeded(permit);
  }

  noteSuccess(permit: Permit | undefined): void {
    this.connected = true;
    this.heardAt = this.clock.monotonic();
    if (permit !== undefined) this.breaker.succeeded(permit);
  }

  /** An attempt that did not succeed. @param permit undefined = the breaker is not to hear of it */
  noteEnd(error: unknown, permit: Permit | undefined): void {
    if (isStoreFailure(error) && error.code !== "breaker-open") {
      this.counts.failures += 1;
      this.connected = false;
      this.#lastError = { code: error.code, message: error.message, at: this.clock.now() };
      if (permit !== undefined) this.breaker.failed(permit, error);
    } else if (permit !== undefined) this.#answered(error, permit);
  }

  /** What the store refused it has answered; what the caller ended says nothing. */
  #answered(error: unknown, permit: Permit): void {
    if (isAnswer(error)) this.noteSuccess(permit);
    else this.breaker.undecided(permit);
  }
}

const nothing = () => undefined;
