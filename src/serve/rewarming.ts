import type { HeardChange } from "../cache/change-feed.js";
import { coverage } from "../changes.js";
import type { Clock } from "../clock.js";
import { type Fields, onlyFields } from "../http/message.js";
import { fieldsForVary } from "../http/vary.js";
import type { Warmed } from "./proxy.js";
import type { HeldResponse } from "./proxy-listener.js";
import type { Question } from "./question.js";
import { FETCHES, noneWarmed } from "./warming.js";

/** URLs that are remembered as served from here, and variants of each. */
const MOST_URLS = 10_000;
const MOST_VARIANTS = 8;
/** Characters of a URL with the fields that chose its response; who has more is not remembered. */
const LONGEST = 2048;
/** Milliseconds without a further change before what was invalidated is fetched, and at most: a purge comes in several steps. */
const QUIET_MS = 250;
const LONGEST_QUIET_MS = 2000;

/** What belongs to one client: his requests are not repeated. */
const PERSONAL: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** A request that was answered from the store. */
interface Served {
  url: string;
  fields: Fields;
  tags: readonly string[];
}

export interface RewarmingReport {
  /** URLs that would be fetched again. */
  known: number;
  /** Requests that wait for their turn. */
  queued: number;
  /** What became of those that were fetched. */
  urls: Record<Warmed, number>;
}

/** Remembers what is asked for, and fetches what was invalidated again, whoever did that: in the background, each request once, few at a time. */
export class Rewarming {
  readonly #clock: Clock;
  readonly #warm: (url: string, fields: Fields) => Promise<Warmed>;
  readonly #laterMs: number;
  /** By the key of the URL, then by the fields that chose the response. */
  readonly #known = new Map<string, Map<string, Served>>();
  readonly #queue = new Map<string, Served & { key: string; which: string }>();
  readonly #urls = noneWarmed();
  readonly #stop = new AbortController();
  /** Monotonic milliseconds of the first and last change that what is queued is from. */
  #firstAt = 0;
  #lastAt = 0;
  #running: Promise<void> | undefined;

  /** @param laterMs by which it waits longer than it has to */
  constructor(clock: Clock, warm: (url: string, fields: Fields) => Promise<Warmed>, laterMs = 0) {
    this.#clock = clock;
    this.#laterMs = laterMs;
    this.#warm = warm;
  }

  get report(): RewarmingReport {
    return { known: this.#known.size, queued: this.#queue.size, urls: { ...this.#urls } };
  }

  /** The store has a fresh response for this. */
  held({ request, resourceKey }: Question, { tags, vary }: HeldResponse): void {
    const { method, url, fields } = request;
    if (method !== "GET" && method !== "HEAD") return;
    const isPersonal = vary.some((name) => PERSONAL.has(name) || name.includes(":"));
    const which = vary.length === 0 ? "" : fieldsForVary(vary, fields);
    if (isPersonal || url.length + which.length > LONGEST) return;
    const variants = this.#known.get(resourceKey) ?? new Map<string, Served>();
    const known = variants.get(which);
    if (known?.tags === tags) return;
    variants.set(which, { url, fields: vary.length === 0 ? [] : onlyFields(fields, new Set(vary)), tags });
    for (const oldest of variants.keys()) if (variants.size > MOST_VARIANTS) variants.delete(oldest);
    this.#known.set(resourceKey, variants);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_URLS) return;
      this.#known.delete(oldest);
    }
  }

  /** Something changed in the store. What may have gone unheard is not made up for: that would be everything. */
  changed(change: HeardChange): void {
    if ("gap" in change || change.op === "write") return;
    const { selector } = change;
    const isFirst = this.#queue.size === 0;
    let added = 0;
    if ("keys" in selector) for (const key of selector.keys) added += this.#add(key, () => true);
    else {
      const covers = coverage(selector);
      for (const key of this.#known.keys()) added += this.#add(key, ({ tags }) => covers({ key, tags }));
    }
    if (added === 0) return;
    this.#lastAt = this.#clock.monotonic();
    if (isFirst) this.#firstAt = this.#lastAt;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #add(key: string, covers: (served: Served) => boolean): number {
    const all = [...(this.#known.get(key) ?? [])].filter(([, served]) => covers(served));
    for (const [which, served] of all) this.#queue.set(`${key} ${which}`, { ...served, key, which });
    return all.length;
  }

  /** Until a client has it stored again. */
  #forget(key: string, which: string): void {
    const variants = this.#known.get(key);
    variants?.delete(which);
    if (variants?.size === 0) this.#known.delete(key);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#queue.size > 0 && !signal.aborted) {
      const due = Math.min(this.#lastAt + QUIET_MS, this.#firstAt + LONGEST_QUIET_MS);
      const left = due + this.#laterMs - this.#clock.monotonic();
      if (left > 0) await this.#clock.sleep(left, signal);
      else {
        this.#firstAt = this.#clock.monotonic();
        await Promise.all(Array.from({ length: FETCHES }, () => this.#fetchQueued()));
      }
    }
  }

  async #fetchQueued(): Promise<void> {
    for (const [id, { url, fields, key, which }] of this.#queue) {
      if (this.#stop.signal.aborted) return;
      // Invalidated once more from now on it is queued anew.
      this.#queue.delete(id);
      const became = await this.#warm(url, fields);
      this.#urls[became] += 1;
      if (became === "not-kept" || became === "foreign") this.#forget(key, which);
    }
  }
}
