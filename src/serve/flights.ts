import { coverage } from "../changes.js";
import type { Clock } from "../clock.js";
import type { RequestHead } from "../http/message.js";
import type { StoredResponse } from "../http/stored-response.js";
import type { Selector } from "../selector.js";

/** What a fetch brought for those who waited for it. */
export type Landing =
  /** A whole response, kept or not: for all whose request it may answer. */
  | { kind: "response"; request: RequestHead; response: StoredResponse; body: Uint8Array }
  /** It is in the store now: to be looked up there. */
  | { kind: "stored" }
  /** It is for nobody but who asked for it. */
  | { kind: "unshared" }
  /** The origin gave none; `error` is what is told of it. */
  | { kind: "failed"; error: unknown }
  /** Its body was cut short: the origin may well have it for who asks again. */
  | { kind: "cut"; error: unknown };

/** One fetch of one key, and those who wait for what it brings. */
export class Flight {
  readonly key: string;
  /** That of its URL, which a purge names; the same, or that of the index where `key` is of a variant. */
  readonly resourceKey: string;
  #landed: Promise<Landing>;
  #land: (landing: Landing) => void = () => {};
  /** Tags of the response, once they are known: a purge by tag covers it then. */
  tags: readonly string[] | undefined;

  constructor(key: string, resourceKey: string) {
    this.key = key;
    this.resourceKey = resourceKey;
    this.#landed = new Promise((resolve) => {
      this.#land = resolve;
    });
  }

  /** To be asked for by who has just found or begun it. */
  get landed(): Promise<Landing> {
    return this.#landed;
  }

  /** The first landing counts. */
  land(landing: Landing): void {
    this.#land(landing);
  }

  /**
   * It has landed, and nobody will ask what came of it any more. What a Map has held outlives V8's quick collections when the Map grew meanwhile, since its former
   * tables are linked; without this every response would do so, with its body.
   */
  empty(): void {
    this.#landed = NOTHING;
    this.#land = () => {};
  }
}

const NOTHING: Promise<Landing> = Promise.resolve({ kind: "unshared" });

/** Keys that are remembered as not to be waited for. */
const MAX_UNSHARED = 10_000;
/** Milliseconds that one is remembered. */
const UNSHARED_MS = 10_000;
/** Keys whose last landing is remembered. */
const MAX_LANDED = 1000;

/** The fetches that are under way in this process, one a key (RFC 9111 §4: collapsed requests). */
export class Flights {
  readonly #clock: Clock;
  readonly #open = new Map<string, Flight>();
  /** Keys whose last response could not be shared, with when that is forgotten: waiting for the next one would only make a queue. */
  readonly #unshared = new Map<string, number>();

  /** Keys that were fetched for all, the latest last, each with which landing it was. */
  readonly #landed = new Map<string, number>();
  #landings = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells what lands from now on from what has landed. */
  get mark(): number {
    return this.#landings;
  }

  /** Whether a fetch of the key has landed since a mark: who looked into the store before that has not seen what it brought. */
  landedSince(key: string, mark: number): boolean {
    return (this.#landed.get(key) ?? 0) > mark;
  }

  /** The fetch to wait for; undefined where there is none, or waiting for it would be in vain. */
  find(key: string): Flight | undefined {
    return this.#open.get(key);
  }

  /** A fetch that later callers join, unless responses of this key can't be shared. */
  begin(key: string, resourceKey: string): Flight {
    const flight = new Flight(key, resourceKey);
    if (!this.#isUnshared(key)) this.#open.set(key, flight);
    void flight.landed.then(({ kind }) => {
      if (this.#open.get(key) === flight) this.#open.delete(key);
      flight.empty();
      if (kind === "unshared") this.#remember(key);
      else this.#unshared.delete(key);
      if (kind === "response" || kind === "stored") this.#hasLanded(key);
    });
    return flight;
  }

  /** Who comes after a change does not join a fetch from before it. */
  changed(selector: Selector): void {
    if (this.#open.size === 0) return;
    const covers = coverage(selector);
    for (const [key, flight] of this.#open) {
      const tags = flight.tags && { tags: flight.tags };
      if (covers({ key, ...tags }) || covers({ key: flight.resourceKey, ...tags })) this.#open.delete(key);
    }
  }

  get size(): number {
    return this.#open.size;
  }

  #hasLanded(key: string): void {
    this.#landings += 1;
    this.#landed.delete(key);
    this.#landed.set(key, this.#landings);
    for (const oldest of this.#landed.keys()) {
      if (this.#landed.size <= MAX_LANDED) return;
      this.#landed.delete(oldest);
    }
  }

  #isUnshared(key: string): boolean {
    const until = this.#unshared.get(key);
    return until !== undefined && until > this.#clock.monotonic();
  }

  #remember(key: string): void {
    this.#unshared.delete(key);
    this.#unshared.set(key, this.#clock.monotonic() + UNSHARED_MS);
    for (const oldest of this.#unshared.keys()) {
      if (this.#unshared.size <= MAX_UNSHARED) return;
      this.#unshared.delete(oldest);
    }
  }
}
