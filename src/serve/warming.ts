import { setImmediate } from "node:timers/promises";
import type { Cache } from "../cache/cache.js";
import type { Fields } from "../http/message.js";
import { warm } from "../transfer/warm.js";
import type { Warmed } from "./proxy.js";
import { type Ask, urlsOf } from "./url-source.js";

/** What a server fills its store with when it starts. */
export interface WarmPlan {
  /** The entries of the lowest tier that are in most use, into the tiers above it. */
  hottest: boolean;
  /** A file of entries, as `cache warm` takes it; what is there stays. */
  entries?: string | undefined;
  /** A file, or a URL of a configured origin, with URLs or a sitemap. */
  urls?: string | undefined;
}

/** How far the warming at start is. */
export interface WarmingReport {
  state: "off" | "warming" | "done" | "stopped";
  /** Entries copied from the lowest tier. */
  copied: number;
  /** Entries of the file that were stored, and that were bad. */
  loaded: number;
  rejected: number;
  /** What became of URLs. */
  urls: Record<Warmed, number>;
}

/** What a warming needs of the proxy. */
export interface WarmProxy {
  /** Never fails. */
  warm: (url: string, fields: Fields) => Promise<Warmed>;
  ask: Ask;
  /** The URL as its clients ask for it: with `http` where it has no certificate and nobody in front of it has one. */
  asAsked: (url: string) => string;
}

export interface WarmListener {
  /** A part of the warming, or one list, could not be read. */
  failed(error: unknown): void;
  ended(report: Readonly<WarmingReport>): void;
}

/** A server starts with what it has. */
export const NO_WARMING: WarmPlan & WarmListener = { hottest: false, failed: () => {}, ended: () => {} };

/** Entries of the lowest tier at most. */
const HOTTEST = 10_000;
/** Of these, copied between two looks at what clients want. */
const AT_ONCE = 16;
const READ_AT_ONCE = 100;
/** URLs that are fetched at once: few, so that the origin has time for those that clients wait for. */
export const FETCHES = 4;

/** Fills a store in the background when a server starts. Clients are served meanwhile; what fails is told and left out. */
export class StartWarming {
  readonly report: WarmingReport = { state: "off", copied: 0, loaded: 0, rejected: 0, urls: noneWarmed() };
  readonly #cache: Cache;
  readonly #proxy: WarmProxy;
  readonly #plan: WarmPlan & WarmListener;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(cache: Cache, plan: WarmPlan & WarmListener, proxy: WarmProxy) {
    this.#cache = cache;
    this.#proxy = proxy;
    this.#plan = plan;
    this.#ended = this.#run();
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { hottest, entries, urls } = this.#plan;
    const parts = [
      ...(hottest ? [() => this.#copyHottest()] : []),
      ...(entries === undefined ? [] : [() => this.#loadEntries(entries)]),
      ...(urls === undefined ? [] : [() => this.#fetchUrls(urls)]),
    ];
    if (parts.length === 0) return;
    const { signal } = this.#stop;
    this.report.state = "warming";
    for (const part of parts) {
      try {
        if (!signal.aborted) await part();
      } catch (error) {
        if (!signal.aborted) this.#plan.failed(error);
      }
    }
    this.report.state = signal.aborted ? "stopped" : "done";
    this.#plan.ended(this.report);
  }

  async #copyHottest(): Promise<void> {
    const { signal } = this.#stop;
    // The least of them first: where not all have room, those in most use came last.
    const keys = (await this.#cache.backend.hottest(HOTTEST, { signal })).reverse();
    for (let i = 0; i < keys.length && !signal.aborted; i += AT_ONCE) {
      this.report.copied += await this.#cache.promote(keys.slice(i, i + AT_ONCE), { signal });
      // Stores on this machine answer without a wait, and requests would have none.
      await setImmediate();
    }
  }

  async #loadEntries(file: string): Promise<void> {
    const { signal } = this.#stop;
    const report = await warm(this.#cache, [file], {
      ifAbsent: true,
      signal,
      batchSize: READ_AT_ONCE,
      concurrency: 1,
      onProgress: ({ stored, rejected }) => Object.assign(this.report, { loaded: stored, rejected }),
    });
    Object.assign(this.report, { loaded: report.stored, rejected: report.rejected });
  }

  async #fetchUrls(list: string): Promise<void> {
    const { signal } = this.#stop;
    const urls = urlsOf(list, this.#proxy.ask, signal, (error) => this.#plan.failed(error));
    const fetchAll = async () => {
      for await (const url of shared(urls)) {
        if (signal.aborted) return;
        const asked = this.#proxy.asAsked(url);
        this.report.urls[await this.#proxy.warm(asked, usualFields(asked))] += 1;
      }
    };
    try {
      await Promise.all(Array.from({ length: FETCHES }, fetchAll));
    } finally {
      await urls.return(undefined);
    }
  }
}

/** One iterator for several who take from it; none of them ends it. */
function shared<T>(source: AsyncGenerator<T>): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}

/** For people, when it has ended. */
export function warmingText({ state, copied, loaded, rejected, urls }: WarmingReport): string {
  const many = (count: number, what: string) => (count > 0 ? [`${count} ${what}`] : []);
  const parts = [
    ...many(copied, "entries copied"),
    ...many(loaded, "entries stored"),
    ...many(rejected, "bad records"),
    ...many(urls.stored, "URLs fetched"),
    ...many(urls.fresh, "URLs fresh"),
    ...many(urls["not-kept"], "URLs not to be kept"),
    ...many(urls.foreign, "URLs of no origin"),
    ...many(urls.failed, "URLs failed"),
  ];
  return `warming ${state === "stopped" ? "stopped" : "done"}: ${parts.join(", ") || "nothing was found"}`;
}

export function noneWarmed(): Record<Warmed, number> {
  return { stored: 0, fresh: 0, "not-kept": 0, foreign: 0, failed: 0 };
}

/** What most browsers send, so that the variant that is stored is the one that most will ask for: the newer codings they have over TLS alone. */
function usualFields(url: string): Fields {
  const codings = url.startsWith("https:") ? "gzip, deflate, br, zstd" : "gzip, deflate";
  return ["Accept", "*/*", "Accept-Encoding", codings, "User-Agent", "cachectl"];
}
