import { randomBytes } from "node:crypto";
import type { Awaitable, CommonHead, DeleteReport, EntryReader, Position } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import type { Clock } from "../clock.js";
import type { Selector } from "../selector.js";
import { withLength } from "./admission.js";
import { isNewer } from "./freshness.js";
import { variantKey, variantPrefix } from "./key.js";
import type { Fields } from "./message.js";
import { type PurgeRequest, planPurge } from "./purge.js";

import {
  decodeHead,
  encodeHead,
  MAX_LISTS,
  type StoredHead,
  type StoredResponse,
  type VariantIndex,
} from "./stored-response.js";
import { pickVariants } from "./vary.js";

/** A stored response as it was found. */
export interface FoundResponse {
  kind: "response";
  /** Of the response itself. */
  key: string;
  /** Of its URL. */
  resourceKey: string;
  response: StoredResponse;
  /** Its fields as they are sent: with the length of the body. */
  sent: Fields;
  tags: readonly string[];
  /** Bytes of the body. */
  size: number;
  /** The body, not to be changed; or, where it is large, a reader that must be closed. */
  body: Uint8Array | EntryReader;
  /** Tells this write of the entry from others; known where it was asked of the store that decides. */
  version: string | undefined;
}

/** That there is no response for a request, and where one would go. */
interface NothingFound {
  kind: "none";
  resourceKey: string;
  /** There are responses of the URL, for other requests. */
  index: FoundIndex | undefined;
  /** The store could not say: who waits for it once more may wait in vain as long again. */
  unread?: true;
}

interface FoundIndex extends VariantIndex {
  expiresAt: number | undefined;
}

export type Found = FoundResponse | NothingFound;

/** What was known before the origin was asked. */
export interface Fill {
  resourceKey: string;
  /** The end of the store's log: what was changed since is not overwritten. */
  since: Position;
  /** As it was at or after `since`: one that was deleted before must not be written again, with the variants that it had. */
  index: FoundIndex | undefined;
}

/** A response that is to be kept. */
export interface NewResponse {
  fill: Fill;
  response: StoredResponse;
  /** Names of the request fields that chose it (RFC 9111 §4.1), in lower case and sorted. */
  vary: readonly string[];
  /** Those fields are looked up here. */
  requestFields: Fields;
  tags: readonly string[];
  deadlines: Deadlines;
}

/** Bodies up to this many bytes are kept and read in one piece. */
export const WHOLE_BODY_BYTES = 256 * 1024;

/** Milliseconds that an index is kept at least. */
const INDEX_MS = 24 * 3_600_000;

/**
 * HTTP responses in a cache. Under `r:METHOD URL` lies the one response of the URL, or an index of what its responses vary on; each variant then has a
 * key with a random part of the index in it, so that who deletes the index makes all of them unreachable at once, also those that are still on their way. They
 * expire by themselves.
 */
export class HttpCache {
  readonly #cache: Cache;
  readonly #clock: Clock;

  constructor(cache: Cache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /**
   * The stored response that a request selects (RFC 9111 §4), fresh or not; at once where it is in this process's memory. Large bodies come as a reader, which must be
   * closed.
   * @param resourceKey of `responseKey`
   * @param names of fields that a rule has responses of this URL depend on: one that does not is none
   */
  find(resourceKey: string, requestFields: Fields, names: readonly string[] = NO_NAMES): Awaitable<Found> {
    const viewed = this.#view(resourceKey);
    if (viewed === undefined || ("response" in viewed.head && names.length > 0)) {
      return this.#findBelow(resourceKey, requestFields, names, COPY);
    }
    if ("response" in viewed.head) return responseFrom(viewed, viewed.head.response, resourceKey);
    const { index } = viewed.head;
    const [key, ...others] = pickVariants(index.lists, index.generation, requestFields, names);
    const variant = key === undefined || others.length > 0 ? undefined : this.#view(key);
    if (variant && "response" in variant.head) return responseFrom(variant, variant.head.response, resourceKey);
    return this.#findBelow(resourceKey, requestFields, names, COPY);
  }

  /** The same from the store that decides, with its version. */
  findStored(resourceKey: string, requestFields: Fields, names: readonly string[] = NO_NAMES): Promise<Found> {
    return this.#findBelow(resourceKey, requestFields, names, ALL);
  }

  /** The same for who only wants to know: nothing is counted. */
  peekStored(resourceKey: string, requestFields: Fields, names: readonly string[] = NO_NAMES): Promise<Found> {
    return this.#findBelow(resourceKey, requestFields, names, { want: "all", peek: true });
  }

  async #findBelow(resourceKey: string, requestFields: Fields, names: readonly string[], how: Look): Promise<Found> {
    const found = await this.#read(resourceKey, how);
    if (found === undefined) return { kind: "none", resourceKey, index: undefined };
    if ("response" in found.head && names.length > 0) {
      close(found.body);
      return { kind: "none", resourceKey, index: undefined };
    }
    if ("response" in found.head) return responseFrom(found, found.head.response, resourceKey);
    const { index } = found.head;
    close(found.body);
    let newest: FoundResponse | undefined;
    for (const key of pickVariants(index.lists, index.generation, requestFields, names)) {
      const variant = await this.#read(key, how);
      if (variant === undefined) continue;
      const one = "response" in variant.head ? responseFrom(variant, variant.head.response, resourceKey) : undefined;
      const wins = one !== undefined && (newest === undefined || isNewer(one.response, newest.response));
      const loser = wins ? newest?.body : variant.body;
      if (loser) close(loser);
      if (wins) newest = one;
    }
    if (newest) return newest;
    return { kind: "none", resourceKey, index: { ...index, expiresAt: found.expiresAt } };
  }

  /** The key that one fetch for a request is under way with: that of the variant where it is known what variants depend on. */
  flightKey(found: Found, requestFields: Fields): string {
    if (found.kind === "response") return found.key;
    const names = found.index?.lists[0];
    if (found.index === undefined || names === undefined) return found.resourceKey;
    return variantKey(found.index.generation, names, requestFields);
  }

  /** Part of a large body, if the entry is still the one that was found; the reader must be closed. */
  async openRange(found: FoundResponse, start: number, end: number): Promise<EntryReader | undefined> {
    const reader = await this.#cache.openRead(found.key, { start, end, peek: true });
    // A write of the same response leaves all that was said of it true.
    if (reader === undefined || isSame(decodeHead(reader.head.meta), found)) return reader;
    reader.close();
    return undefined;
  }

  /** To be called before the origin is asked for what was not found. */
  async begin(found: Found): Promise<Fill> {
    const { resourceKey } = found;
    const since = await this.#cache.position();
    if (found.kind === "none" && found.index === undefined) return { resourceKey, since, index: undefined };
    if (found.kind === "response" && found.key === resourceKey) return { resourceKey, since, index: undefined };
    const current = await this.#read(resourceKey, ALL);
    if (current) close(current.body);
    const index = current && "index" in current.head ? current.head.index : undefined;
    return { resourceKey, since, index: index && { ...index, expiresAt: current?.expiresAt } };
  }

  /** Keeps a response with its whole body. @returns false where it was overtaken by a change, or is too large for the store */
  async store(fresh: NewResponse, body: Uint8Array): Promise<boolean> {
    const place = this.#place(fresh);
    const { since } = fresh.fill;
    const [outcome] = await this.#cache.writeMany([{ key: place.key, value: body, ...headOf(fresh) }], { since });
    return outcome === "stored" && (await this.#link(fresh, place));
  }

  /** Keeps a response whose body comes in pieces: seen by nobody before `commit`, which does as {@link store}. */
  async openStore(fresh: NewResponse): Promise<ResponseWriter> {
    const place = this.#place(fresh);
    const writer = await this.#cache.openWrite(place.key, { ...headOf(fresh), since: fresh.fill.since });
    return {
      write: (piece) => writer.write(piece),
      commit: async () => (await writer.commit()) === "stored" && (await this.#link(fresh, place)),
      abort: () => writer.abort(),
    };
  }

  /**
   * New fields and times for a stored response that the origin called good (RFC 9111 §3.2, §4.3.4), without its body.
   * @returns false where it is no longer the one that was found
   */
  async freshen({ key, version }: FoundResponse, response: StoredResponse, deadlines: Deadlines): Promise<boolean> {
    const meta = encodeHead({ response });
    const [done] = await this.#cache.touchEach([
      { key, meta, ...deadlines, ...(version !== undefined && { ifVersion: version }) },
    ]);
    return done ?? false;
  }

  /** From now on it is stale, whatever its freshness lifetime. */
  async outdate({ key }: FoundResponse): Promise<void> {
    await this.#cache.invalidate({ keys: [key] }, { soft: true });
  }

  /** Deletes what is stored of a URL: every variant is unreachable at once. */
  async forget(resourceKeys: readonly string[]): Promise<void> {
    await this.#cache.deleteMany(resourceKeys);
  }

  /**
   * Forgets responses, or with `soft` marks them stale: they may then be used while they are validated, and where the origin fails, if their origin allows that. Of a URL whose responses
   * vary, a soft purge by glob or prefix forgets all.
   * @returns how many entries were deleted and marked; of a URL that varies, its index counts as one
   * @throws CacheError `invalid-purge`, `invalid-glob`
   */
  async purge(request: PurgeRequest, options: { soft?: boolean; signal?: AbortSignal } = {}): Promise<PurgeReport> {
    const { selectors, accepts } = planPurge(request);
    const report = { deleted: 0, softened: 0, pending: false };
    const add = ({ deleted, softened, pending }: DeleteReport) => {
      report.deleted += deleted;
      report.softened += softened;
      report.pending ||= pending === true;
    };
    for (const selector of selectors) {
      if (accepts) await this.#purgeAccepted(selector, accepts, options, add);
      else if (options.soft && "keys" in selector) await this.#soften(selector.keys, options, add);
      else add(await this.#cache.invalidate(selector, options));
    }
    return report;
  }

  /** The keys of what a purge would forget, page by page; a store may name one twice. @throws CacheError `invalid-purge`, `invalid-glob` */
  async *purgeable(request: PurgeRequest, options: { signal?: AbortSignal } = {}): AsyncGenerator<string[]> {
    const { selectors, accepts = () => true } = planPurge(request);
    for (const selector of selectors) {
      for await (const { entries } of this.#cache.scan(selector, options)) {
        yield entries.map(({ key }) => key).filter(accepts);
      }
    }
  }

  /** The selector is announced as a whole before and after, so that no response that is on its way is kept; deleted is what is accepted. */
  async #purgeAccepted(
    selector: Selector,
    accepts: (key: string) => boolean,
    options: { soft?: boolean; signal?: AbortSignal },
    add: (report: DeleteReport) => void,
  ): Promise<void> {
    const { backend } = this.#cache;
    await backend.announce("delete", selector);
    for await (const { entries } of this.#cache.scan(selector, options.signal ? { signal: options.signal } : {})) {
      const keys = entries.map(({ key }) => key).filter(accepts);
      if (keys.length > 0) add(await this.#cache.invalidate({ keys }, options));
    }
    await backend.announce("delete", selector);
  }

  /** An index has nothing to be stale: its variants have. */
  async #soften(
    keys: readonly string[],
    options: { soft?: boolean; signal?: AbortSignal },
    add: (report: DeleteReport) => void,
  ): Promise<void> {
    for (const key of keys) {
      const read = await this.#read(key, ALL);
      if (read) close(read.body);
      const index = read && "index" in read.head ? read.head.index : undefined;
      const selector = index ? { prefix: variantPrefix(index.generation) } : { keys: [key] };
      add(await this.#cache.invalidate(selector, options));
    }
  }

  /** What is in this process's memory. */
  #view(key: string): Read | undefined {
    const entry = this.#cache.viewNow(key, headRead);
    return entry?.head && readOf(entry.head, key, entry.value, undefined);
  }

  async #read(key: string, how: Look): Promise<Read | undefined> {
    const reader = await this.#cache.openRead(key, how);
    if (reader === undefined) return undefined;
    const read = headRead(reader.head);
    if (read === undefined) {
      reader.close();
      return undefined;
    }
    const body = read.size > WHOLE_BODY_BYTES ? reader : await wholeBody(reader);
    return readOf(read, key, body, how.want === "all" ? reader.head.version : undefined);
  }

  /** Where a response goes: under its URL or, where it varies, beside the other variants, with the index that leads there. */
  #place({ fill, vary, requestFields }: NewResponse): Place {
    if (vary.length === 0) return { key: fill.resourceKey, index: undefined };
    const { generation = randomBytes(12).toString("base64url"), lists = [], expiresAt } = fill.index ?? {};
    const key = variantKey(generation, vary, requestFields);
    const isSame = (list: readonly string[]) =>
      list.length === vary.length && list.every((name, i) => name === vary[i]);
    const [newest = NO_NAMES] = lists;
    if (isSame(newest) && (expiresAt ?? 0) > this.#clock.now() + INDEX_MS / 2) return { key, index: undefined };
    const others = lists.filter((list) => !isSame(list));
    return { key, index: { generation, lists: [vary, ...others].slice(0, MAX_LISTS) } };
  }

  /** Writes the index that leads to a variant, where it is new. */
  async #link({ fill, deadlines }: NewResponse, { index }: Place): Promise<boolean> {
    if (index === undefined) return true;
    const expiresAt = Math.max(deadlines.expiresAt, this.#clock.now() + INDEX_MS);
    const entry = { key: fill.resourceKey, value: NO_BODY, meta: encodeHead({ index }), expiresAt };
    const [outcome] = await this.#cache.writeMany([entry], { since: fill.since });
    return outcome === "stored";
  }
}

export interface PurgeReport {
  deleted: number;
  /** Marked stale. */
  softened: number;
  /** The store is away: it was noted down and is made up for before the store is trusted again. */
  pending: boolean;
}

/** Epoch milliseconds. */
export interface Deadlines {
  /** Until when it is of any use. */
  expiresAt: number;
  /** Until when it is fresh; absent where it never is. */
  staleAt?: number;
}

export interface ResponseWriter {
  write(piece: Uint8Array): Promise<void>;
  commit(): Promise<boolean>;
  abort(): Promise<void>;
}

/** How much of an entry is wanted, as the store has it. */
interface Look {
  want: "copy" | "all";
  peek?: boolean;
}

const COPY: Look = { want: "copy" };
const ALL: Look = { want: "all" };

/** What is made of the head of an entry. */
interface HeadRead {
  head: StoredHead;
  /** The fields to send, where it is a response. */
  sent: Fields;
  staleAt: number | undefined;
  expiresAt: number | undefined;
  tags: readonly string[];
  size: number;
}

interface Read extends HeadRead {
  key: string;
  version: string | undefined;
  body: Uint8Array | EntryReader;
}

/** Written out: a spread was a tenth of the time that a hit in memory takes. */
function readOf(
  { head, sent, staleAt, expiresAt, tags, size }: HeadRead,
  key: string,
  body: Uint8Array | EntryReader,
  version: string | undefined,
): Read {
  return { head, sent, staleAt, expiresAt, tags, size, key, version, body };
}

function headRead({ meta, staleAt, expiresAt, tags = [], size }: CommonHead): HeadRead | undefined {
  const head = decodeHead(meta);
  const sent = head && "response" in head ? withLength(head.response, size) : [];
  return head && { head, sent, staleAt, expiresAt, tags, size };
}

interface Place {
  key: string;
  /** To be written after it; absent where what leads to it is there. */
  index: VariantIndex | undefined;
}

function responseFrom(read: Read, stored: StoredResponse, resourceKey: string): FoundResponse {
  const { key, staleAt, sent, tags, size, body, version } = read;
  // A soft purge brings the end of freshness forward, and leaves the fields as they are.
  const lifetimeMs = staleAt === undefined ? stored.lifetimeMs : stored.initialAgeMs + staleAt - stored.responseTime;
  const response = lifetimeMs < stored.lifetimeMs ? { ...stored, lifetimeMs } : stored;
  return { kind: "response", key, resourceKey, response, sent, tags, size, body, version };
}

function headOf({ response, tags, deadlines }: NewResponse) {
  return { meta: encodeHead({ response }), tags, ...deadlines };
}

async function wholeBody(reader: EntryReader): Promise<Uint8Array> {
  try {
    let only: Uint8Array | undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of reader.body) {
      pieces.push(piece);
      only = pieces.length === 1 ? piece : undefined;
    }
    return only ?? Buffer.concat(pieces);
  } finally {
    reader.close();
  }
}

function isSame(head: StoredHead | undefined, { response }: FoundResponse): boolean {
  return head !== undefined && "response" in head && head.response.responseTime === response.responseTime;
}

function close(body: Uint8Array | EntryReader): void {
  if (!(body instanceof Uint8Array)) body.close();
}

const NO_BODY = new Uint8Array(0);
const NO_NAMES: readonly string[] = [];
