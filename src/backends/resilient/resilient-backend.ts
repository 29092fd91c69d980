import type { ChangeOp } from "../../changes.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Awaitable,
  type Backend,
  type BackendInfo,
  type BackendKind,
  type Call,
  type Capabilities,
  type ChangePage,
  type CounterReport,
  type Counters,
  type DeleteOptions,
  type DeleteReport,
  type EntryReader,
  type EntryWriter,
  type ForeignEntry,
  type ForeignReader,
  type KeyDeletion,
  type Lease,
  type LeaseAnswer,
  type LeaseOptions,
  type NewEntry,
  type Position,
  type RangeOptions,
  type ReadOptions,
  type ResilienceInfo,
  readsForeign,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Stored,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { followLog } from "./following.js";
import { HealthCheck } from "./health.js";
import { type ResilienceContext, type ResilienceOptions, resolveOptions } from "./options.js";
import { readerWithDeadlines, writerWithDeadlines } from "./pieces.js";
import { type Operation, Pursuit } from "./pursuit.js";
import { scanPages } from "./scanning.js";
import { type OpenBackend, Source } from "./source.js";
import { Supervisor } from "./supervisor.js";

/** Milliseconds for what goes over a whole store and tells no progress, where a call has less. */
const MAINTENANCE_MS = 60_000;

/** What the capabilities of a store are taken for before it was opened for the first time: nothing is promised. */
const UNKNOWN: Capabilities = {
  persistent: true,
  shared: true,
  repeatsInScan: true,
  keepsExpired: false,
  knowsAge: false,
  counts: false,
};

/** Repeating it has the effect of doing it once. */
const REPEATABLE = { idempotent: true } satisfies Partial<Operation<unknown>>;
/** It could be done twice: an answer that was lost is a failure. */
const ONCE = { idempotent: false, stoppable: true } satisfies Partial<Operation<unknown>>;

/**
 * Any backend with deadlines, retries, a circuit breaker and health checks. Reads, unconditional sets, new deadlines, deletions and listings are retried,
 * and `announce`, since who hears of a change twice loses nothing; conditional sets, counters, leases, `commit`, `atomic` and streams never are. A deletion that
 * was retried may answer false for an entry that the attempt before had deleted, and `deleteWhere` counts no more than it was told of.
 */
export class ResilientBackend implements Backend, ForeignReader {
  readonly #source: Source;
  readonly #supervisor: Supervisor;
  readonly #health: HealthCheck;
  readonly #context: ResilienceContext;
  #closing: Promise<void> | undefined;

  constructor(given: Backend | OpenBackend, options: ResilienceOptions, context: ResilienceContext) {
    this.#context = context;
    this.#source = new Source(given);
    this.#supervisor = new Supervisor(this.#source, resolveOptions(options), context, () => this.#health.schedule());
    this.#health = new HealthCheck(this.#supervisor);
  }

  /** Of a store that was never reached yet, what it was said to be. */
  get name(): BackendKind {
    return (this.#source.known ?? this.#context.expected)?.name ?? "redis";
  }

  get capabilities(): Capabilities {
    return (this.#source.known ?? this.#context.expected)?.capabilities ?? UNKNOWN;
  }

  state(): ResilienceInfo {
    return this.#supervisor.info();
  }

  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    const supervisor = this.#supervisor;
    const { backend } = supervisor.source;
    // The common way, and the hottest path of the core: nothing is made for it.
    if (backend !== undefined && supervisor.breaker.closed && supervisor.connected) {
      try {
        const answer = backend.getMany(keys, options);
        if (Array.isArray(answer)) {
          supervisor.breaker.pass();
          return answer;
        }
        return supervisor.adopt(answer, reading(keys, options), supervisor.breaker.permit);
      } catch (error) {
        return supervisor.adopt(Promise.reject(error), reading(keys, options), supervisor.breaker.permit);
      }
    }
    return supervisor.perform(reading(keys, options));
  }

  setMany(entries: readonly NewEntry[], options?: SetOptions): Awaitable<SetOutcome[]> {
    const always = (options?.mode ?? "always") === "always" && options?.since === undefined;
    return this.#supervisor.perform({
      attempt: (backend, signal) => backend.setMany(entries, within(options, signal)),
      idempotent: always,
      stoppable: true,
      signal: options?.signal,
    });
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): Awaitable<boolean[]> {
    return this.#supervisor.perform({
      attempt: (backend, signal) => backend.touchMany(changes, within(options, signal)),
      // One that was made, and whose answer was lost, finds another version.
      idempotent: changes.every(({ ifVersion }) => ifVersion === undefined),
      stoppable: true,
      signal: options?.signal,
    });
  }

  deleteMany(keys: readonly string[], options?: KeyDeletion): Awaitable<boolean[]> {
    return this.#supervisor.perform({
      attempt: (backend, signal) => backend.deleteMany(keys, within(options, signal)),
      ...REPEATABLE,
      stoppable: true,
      signal: options?.signal,
    });
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    const { limit, soft, rate, onProgress, signal } = options;
    const { timeoutMs } = this.#supervisor.settings;
    // At a given rate the backend waits between its steps, of one entry at least.
    const waits = rate === undefined ? 0 : Math.max(1000, 2000 / rate);
    let before = 0;
    let done = 0;
    let current: object | undefined;
    const deleting = this.#supervisor.pursue<DeleteReport>({
      attempt: (backend, stop, advance) => {
        before += done;
        done = 0;
        const attempt = {};
        current = attempt;
        const told = (count: number) => {
          // An attempt that was given up may go on for a moment.
          if (current !== attempt) return;
          done = count;
          advance();
          onProgress?.(before + count);
        };
        return backend.deleteWhere(selector, { ...within(options, stop), onProgress: told });
      },
      // A second attempt can't know how much of a limit the first one used up, and would count twice what is only marked.
      idempotent: limit === undefined && soft !== true,
      signal,
      endsItself: true,
      patienceMs: timeoutMs === 0 ? 0 : timeoutMs + waits,
    });
    const report = await deleting.finally(() => {
      current = undefined;
    });
    return before === 0 ? report : { ...report, deleted: report.deleted + before };
  }

  scan(selector: Selector, options: ScanOptions = {}): AsyncIterable<ScanPage> {
    return scanPages(this.#supervisor, selector, options);
  }

  count(deltas: Partial<Counters>): Awaitable<void> {
    return this.#supervisor.perform({ ...ONCE, attempt: (backend) => backend.count(deltas) });
  }

  counters(): Awaitable<CounterReport> {
    return this.#supervisor.perform({ ...REPEATABLE, attempt: (backend) => backend.counters() });
  }

  resetCounters(): Awaitable<void> {
    return this.#supervisor.perform({ ...REPEATABLE, attempt: (backend) => backend.resetCounters() });
  }

  async describe(): Promise<BackendInfo> {
    const info = await this.#supervisor.pursue({ ...REPEATABLE, attempt: (backend) => backend.describe() });
    return { ...info, resilience: this.state() };
  }

  ping(options?: Call): Promise<number> {
    return this.#supervisor.pursue({
      ...REPEATABLE,
      attempt: (backend) => backend.ping(options),
      signal: options?.signal,
    });
  }

  prune(): Promise<number> {
    const { timeoutMs } = this.#supervisor.settings;
    return this.#supervisor.pursue({
      ...ONCE,
      attempt: (backend) => backend.prune(),
      patienceMs: timeoutMs === 0 ? 0 : Math.max(timeoutMs, MAINTENANCE_MS),
    });
  }

  announce(op: ChangeOp, selector: Selector, options?: WriteCall): Awaitable<void> {
    return this.#supervisor.perform({
      ...REPEATABLE,
      attempt: (backend, signal) => backend.announce(op, selector, within(options, signal)),
      signal: options?.signal,
    });
  }

  position(options?: Call): Awaitable<Position> {
    return this.#supervisor.perform({
      ...REPEATABLE,
      attempt: (backend) => backend.position(options),
      signal: options?.signal,
    });
  }

  changes(after: Position, signal: AbortSignal): AsyncIterable<ChangePage> {
    return followLog(this.#supervisor, after, signal);
  }

  lease(key: string, ms: number, options?: LeaseOptions): Awaitable<LeaseAnswer> {
    return this.#supervisor.perform({
      ...ONCE,
      attempt: (backend, signal) => backend.lease(key, ms, within(options, signal)),
      signal: options?.signal,
    });
  }

  renew(lease: Lease, ms: number): Awaitable<boolean> {
    return this.#supervisor.perform({ ...ONCE, attempt: (backend) => backend.renew(lease, ms) });
  }

  release(lease: Lease): Awaitable<void> {
    return this.#supervisor.perform({ ...ONCE, attempt: (backend) => backend.release(lease) });
  }

  commit(entry: NewEntry, lease: Lease, options?: WriteCall): Awaitable<boolean> {
    return this.#supervisor.perform({
      ...ONCE,
      attempt: (backend, signal) => backend.commit(entry, lease, within(options, signal)),
      signal: options?.signal,
    });
  }

  async openRead(key: string, options?: RangeOptions): Promise<EntryReader | undefined> {
    const reader = await this.#supervisor.pursue({
      ...REPEATABLE,
      attempt: (backend) => backend.openRead(key, options),
      signal: options?.signal,
    });
    return reader && readerWithDeadlines(reader, this.#supervisor);
  }

  async openWrite(head: Omit<NewEntry, "value">, options?: SetOptions): Promise<EntryWriter> {
    const writer = await this.#supervisor.pursue({
      idempotent: false,
      attempt: (backend) => backend.openWrite(head, options),
      signal: options?.signal,
    });
    return writerWithDeadlines(writer, this.#supervisor);
  }

  atomic(steps: readonly AtomicStep[], options?: WriteCall): Awaitable<void> {
    return this.#supervisor.perform({
      ...ONCE,
      attempt: (backend, signal) => backend.atomic(steps, within(options, signal)),
      signal: options?.signal,
    });
  }

  hottest(limit: number, options?: Call): Promise<string[]> {
    return this.#supervisor.pursue({
      ...REPEATABLE,
      attempt: (backend) => backend.hottest(limit, options),
      signal: options?.signal,
    });
  }

  /** Undefined also where the store has no other types. */
  readForeign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    return this.#supervisor.pursue<ForeignEntry | undefined>({
      ...REPEATABLE,
      attempt: (backend) => (readsForeign(backend) ? backend.readForeign(key, limit) : undefined),
    });
  }

  /** A store that does not let itself be closed in the time of a call is left, and that is told. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#health.stop();
    const closing = this.#source.close();
    const end = new Pursuit(this.#supervisor, { attempt: () => closing, idempotent: false }).follow(closing, undefined);
    const failure = await end.answer.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return;
    const { target } = this.#supervisor;
    this.#context.emit({ type: "warning", code: "not-closed", message: `${target} could not be closed: ${failure}` });
  }
}

const reading = (keys: readonly string[], options: ReadOptions | undefined): Operation<(Stored | undefined)[]> => ({
  attempt: (backend) => backend.getMany(keys, options),
  idempotent: true,
  signal: options?.signal,
});

/** The options with the signal that ends this call. */
function within<T extends Call>(options: T | undefined, signal: AbortSignal | undefined): T | undefined {
  if (signal === undefined || signal === options?.signal) return options;
  return { ...options, signal } as T;
}
