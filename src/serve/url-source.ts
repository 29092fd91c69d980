import { CacheError } from "../errors.js";
import { type Fields, fieldOf } from "../http/message.js";
import { UrlList } from "../http/sitemap.js";
import { decompress } from "../transfer/decompress.js";
import { openSource } from "../transfer/open-source.js";
import { isUrl } from "../transfer/source.js";
import type { OriginResponse } from "./upstream.js";

/** Asks the origin of a URL; undefined where it is of no origin of ours. */
export type Ask = (url: string, fields: Fields, signal: AbortSignal) => Promise<OriginResponse | undefined>;

/** Bytes of one list at most, unpacked: what sitemaps.org allows. */
const MOST_BYTES = 50 * 1024 * 1024;
/** Sitemaps of an index at most, and URLs of all of them. */
const MOST_SITEMAPS = 1000;
const MOST_URLS = 100_000;
const MOST_REDIRECTS = 5;

/**
 * The URLs of a list, each once: a file or a URL of a configured origin, plain or gzip, with a URL a line, or a sitemap, or an index of sitemaps, which are then asked for.
 * @param onSkipped is told what is left out, and why
 * @throws CacheError where the list itself can't be read
 */
export async function* urlsOf(
  location: string,
  ask: Ask,
  signal: AbortSignal,
  onSkipped: (error: CacheError) => void,
): AsyncGenerator<string> {
  const seen = new Set<string>();
  const sitemaps: string[] = [];
  const fresh = (url: string) => seen.size < MOST_URLS && seen.size < seen.add(url).size;
  for await (const { url, isSitemap } of membersOf(location, ask, signal, onSkipped)) {
    if (isSitemap) sitemaps.push(url);
    else if (fresh(url)) yield url;
  }
  for (const [i, sitemap] of sitemaps.entries()) {
    if (i === MOST_SITEMAPS) return onSkipped(tooMuch(location, `more than ${MOST_SITEMAPS} sitemaps`));
    try {
      for await (const { url, isSitemap } of membersOf(sitemap, ask, signal, onSkipped, "url")) {
        // An index in an index is none (sitemaps.org): it could go on for ever.
        if (!isSitemap && fresh(url)) yield url;
      }
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      onSkipped(error);
    }
    if (seen.size >= MOST_URLS) return onSkipped(tooMuch(location, `more than ${MOST_URLS} URLs`));
  }
}

async function* membersOf(
  location: string,
  ask: Ask,
  signal: AbortSignal,
  onSkipped: (error: CacheError) => void,
  only?: "url",
): AsyncGenerator<{ url: string; isSitemap: boolean }> {
  // What a list from elsewhere names is never a file of ours.
  if (only && !isUrl(location)) throw unreadable(location, "it is no http or https URL");
  const bytes = isUrl(location) ? await askFor(location, ask, signal) : await openFile(location);
  const list = new UrlList();
  const decoder = new TextDecoder();
  const members = (urls: readonly string[]) => urls.map((url) => ({ url, isSitemap: list.kind === "index" }));
  let size = 0;
  for await (const piece of unpacked(bytes, location)) {
    if (signal.aborted) return;
    size += piece.length;
    if (size > MOST_BYTES) return onSkipped(tooMuch(location, `more than ${MOST_BYTES / 1024 / 1024} MiB`));
    yield* members(list.push(decoder.decode(piece, { stream: true })));
  }
  yield* members([...list.push(decoder.decode()), ...list.end()]);
}

async function openFile(path: string): Promise<AsyncIterable<Uint8Array>> {
  const source = await openSource(path);
  return source.read(0);
}

async function askFor(location: string, ask: Ask, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  let url = location;
  for (let i = 0; i <= MOST_REDIRECTS; i++) {
    let response: OriginResponse | undefined;
    try {
      response = await ask(url, LIST_FIELDS, signal);
    } catch (error) {
      throw unreadable(url, "its origin gave no response", error);
    }
    if (response === undefined) throw unreadable(url, "it is of no configured origin");
    if (response.status === 200) return response.body;
    response.body.destroy();
    const next = REDIRECTS.has(response.status) ? fieldOf(response.fields, "location") : undefined;
    if (next === undefined || !URL.canParse(next, url)) throw unreadable(url, `its origin says ${response.status}`);
    url = new URL(next, url).href;
  }
  throw unreadable(location, "it leads from one URL to the next");
}

const LIST_FIELDS: Fields = ["Accept", "application/xml, text/xml, text/plain;q=0.9, */*;q=0.1"];
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What begins like gzip is unpacked, whatever it is called (RFC 1952 §2.3.1). */
async function* unpacked(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const pieces = bytes[Symbol.asyncIterator]();
  try {
    const first = await pieces.next();
    if (first.done) return;
    const all = inTurn(first.value, { [Symbol.asyncIterator]: () => pieces });
    yield* first.value[0] === 0x1f && first.value[1] === 0x8b ? decompress(all, "gzip", name) : all;
  } catch (error) {
    throw error instanceof CacheError ? error : unreadable(name, "it was cut off", error);
  } finally {
    await pieces.return?.();
  }
}

async function* inTurn(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

function unreadable(location: string, why: string, cause?: unknown): CacheError {
  return new CacheError("usage", "unreadable-list", `no URLs can be read from ${location}: ${why}`, {
    ...(cause !== undefined && { cause }),
    hint: "Name a file, or a URL of a configured origin.",
  });
}

function tooMuch(location: string, what: string): CacheError {
  return new CacheError("usage", "list-too-long", `${location} has ${what}: the rest is left out`, {
    hint: "Warm with what is asked for most.",
  });
}
