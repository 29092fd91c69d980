import type { ChangeWindow, Opening } from "../../change-window.js";
import type { Concerned } from "../../changes.js";
import { keepDecoded } from "../../decoded.js";
import { abortedBy, type CacheError } from "../../errors.js";
import { listenedByMany, untilAborted } from "../call.js";
import type { Codec } from "../codec.js";

/** What a flight brought. */
export class Landing {
  /** The cache had it. */
  readonly hit: boolean;
  readonly #value: unknown;
  /** Makes another copy of the value, where one caller could change what another sees; undefined where it is not known yet how. */
  #copy: (() => unknown) | undefined;
  readonly #decode: (() => unknown) | undefined;
  #given = false;

  private constructor(hit: boolean, value: unknown, decode?: () => unknown) {
    this.hit = hit;
    this.#value = value;
    this.#decode = typeof value === "object" && value !== null ? decode : undefined;
  }

  /** A value as it is, one for all callers: it has no bytes. */
  static of(value: unknown): Landing {
    return new Landing(false, value);
  }

  /** A value of a copy of its own for every caller, as a read of the entry would give it. @throws CacheError `not-decodable` */
  static from(bytes: Uint8Array, codec: Codec, hit: boolean): Landing {
    // What is decoded may share the memory of its bytes.
    const decode = () => codec.decode(new Uint8Array(bytes));
    return new Landing(hit, decode(), decode);
  }

  readonly give = (): unknown => {
    if (this.#decode === undefined) return this.#value;
    if (this.#copy !== undefined) return this.#copy();
    if (this.#given) {
      // A second caller: from now on copies pay, where they can be made without decoding.
      const kept = keepDecoded(this.#decode());
      this.#copy = kept === undefined ? this.#decode : () => kept.copy();
      return this.#copy();
    }
    this.#given = true;
    return this.#value;
  };
}

/** What a caller gets of it: no landing is what a refresh brings that left the work to another process. */
const giveLanding = (landing: Landing | undefined) => landing?.give();

export interface Purpose extends Concerned {
  /** Its caller allows a stale value. */
  mayBeStale: boolean;
}

/** One lookup of a key, and the load that follows a miss, for all who ask for it meanwhile. */
export class Flight {
  readonly key: string;
  /** Tags that the value is known to get; undefined: they are told by the loader, or from the value. */
  readonly tags: readonly string[] | undefined;
  /** What it brings may be stale. */
  readonly mayBeStale: boolean;
  readonly landed: Promise<Landing | undefined>;
  /** When its work is done: after a {@link cancel} that can be later than {@link landed}. */
  readonly done: Promise<void>;
  readonly #opening: Opening;
  readonly #controller = new AbortController();
  #callers = 0;
  /** Callers that can leave, and haven't. */
  #leaving = 0;
  /** Somebody waits who can't leave. */
  #pinned = false;
  #over = false;
  #overtaken = false;
  #doomed = false;
  #onDoomed: (() => void) | undefined;

  /**
   * @param run must not ask for this flight before its first `await`
   * @param onEnd called once, whichever way it ends, before any caller hears of it
   */
  constructor(
    { key, tags, mayBeStale }: Purpose,
    window: ChangeWindow,
    run: (flight: Flight) => Promise<Landing | undefined>,
    onEnd: (flight: Flight, landing: Landing | undefined) => void,
  ) {
    this.key = key;
    this.tags = tags;
    this.mayBeStale = mayBeStale;
    this.#opening = window.open();
    const end = (landing: Landing | undefined) => {
      this.#over = true;
      this.#opening.close();
      onEnd(this, landing);
    };
    const work = run(this);
    const nothing = () => undefined;
    this.done = work.then(nothing, nothing);
    this.landed = untilAborted(work, this.#controller.signal).then(
      (landing) => {
        end(landing);
        return landing;
      },
      (error) => {
        end(undefined);
        throw error;
      },
    );
    // Whoever waits hears of a failure; where nobody does any more, nobody is to be told.
    this.landed.catch(() => undefined);
  }

  /** How many asked for it. */
  get callers(): number {
    return this.#callers;
  }

  /** Given when all callers have left. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What it brings would be no answer for who asks now: something changed since it began, it has ended, or all have left. */
  get overtaken(): boolean {
    return this.#over || this.#overtaken || this.#controller.signal.aborted || this.#opening.concerns(this.#concerned);
  }

  get #concerned(): Concerned {
    return this.tags === undefined ? { key: this.key } : { key: this.key, tags: this.tags };
  }

  /** A change since the start covers the key or one of the tags. */
  concerned(tags: readonly string[]): boolean {
    return this.#opening.concerns({ key: this.key, tags });
  }

  /** Another process made a change: who asks from now on starts anew, if it may be about this. */
  heed(covers: (entry: Concerned) => boolean): void {
    if (covers(this.#concerned)) this.#overtaken = true;
    if (covers(this.#known)) this.#doom();
  }

  /** This process made a change. */
  heedOwn(): void {
    if (!this.#over && this.#opening.concerns(this.#known)) this.#doom();
  }

  /** @param call called, once, when it is certain that what is loaded can't be kept: whoever waits to load the key need not wait for it */
  whenDoomed(call: () => void): void {
    this.#onDoomed = call;
    if (this.#doomed) call();
  }

  /** Without the tags that may be: they doom nothing. */
  get #known(): Concerned {
    return { key: this.key, tags: this.tags ?? [] };
  }

  #doom(): void {
    if (this.#doomed) return;
    this.#doomed = true;
    this.#onDoomed?.();
  }

  /** @param reason what who waits is told */
  cancel(reason: CacheError): void {
    this.#controller.abort(reason);
  }

  /** The value, for one more caller. @throws CacheError `aborted` when the signal is given before there is one */
  join(signal: AbortSignal | undefined): Promise<unknown> {
    this.#callers += 1;
    const value = this.landed.then(giveLanding);
    if (signal === undefined) {
      this.#pinned = true;
      return value;
    }
    this.#leaving += 1;
    listenedByMany(signal);
    const leave = () => {
      this.#leaving -= 1;
      if (this.#leaving === 0 && !this.#pinned) this.#controller.abort(abortedBy(signal));
    };
    signal.addEventListener("abort", leave, { once: true });
    return untilAborted(value, signal).finally(() => signal.removeEventListener("abort", leave));
  }
}
