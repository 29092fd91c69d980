import { CacheError, codeOf, messageOf } from "../errors.js";
import { decompress } from "./decompress.js";
import { discard, kindOf, nameOfUrl, type OpenOptions, type Source } from "./source.js";

const DEFAULT_TIMEOUT_MS = 30_000;

/** Content codings that `fetch` undoes by itself, by the compression that a URL's ending would tell. */
const CODINGS = { gzip: "gzip", brotli: "br", zstd: "zstd" } as const;

/**
 * Asks for a URL and waits for the head of the answer. User and password in it become basic authentication.
 * @throws CacheError `source-unreachable`, `source-timeout`, `source-refused`, `source-not-found`, `invalid-url`
 */
export async function openUrl(location: string, options: OpenOptions): Promise<Source> {
  const { url, name, headers } = parse(location);
  const patience = new Patience(options.timeout ?? DEFAULT_TIMEOUT_MS, options.signal);
  let response: Response;
  try {
    response = await patience.during(() => fetch(url, { headers, signal: patience.signal }));
  } catch (error) {
    throw failure(name, error, patience);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw refusal(name, response.status);
  }
  const { compression, format } = kindOf(new URL(response.url || url).pathname);
  const coding = response.headers.get("content-encoding");
  const packed = compression !== undefined && coding !== CODINGS[compression] ? compression : undefined;
  const length = coding === null ? Number(response.headers.get("content-length") ?? Number.NaN) : Number.NaN;
  let bytes = 0;
  async function* raw(): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader();
    try {
      while (reader !== undefined) {
        const piece = await patience.during(() => reader.read());
        if (piece.done) return;
        bytes += piece.value.length;
        yield piece.value;
      }
    } catch (error) {
      throw failure(name, error, patience);
    } finally {
      patience.stop();
    }
  }
  const version = response.headers.get("etag") ?? response.headers.get("last-modified");
  return {
    name,
    format: format ?? formatOfType(response.headers.get("content-type")),
    totalBytes: Number.isNaN(length) ? undefined : length,
    bytesRead: () => bytes,
    identity: version === null ? undefined : `${length}:${version}`,
    read: (from) => discard(packed === undefined ? raw() : decompress(raw(), packed, name), from),
    close: async () => patience.stop(),
  };
}

function parse(location: string): { url: string; name: string; headers: Record<string, string> } {
  if (!URL.canParse(location)) {
    throw new CacheError("usage", "invalid-url", "the source is no valid URL", {
      hint: "Write it like https://host/path.ndjson.",
    });
  }
  const url = new URL(location);
  const headers: Record<string, string> = { accept: "application/x-ndjson, application/json;q=0.9, */*;q=0.1" };
  if (url.username !== "" || url.password !== "") {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
    url.username = "";
    url.password = "";
  }
  return { url: url.href, name: nameOfUrl(location), headers };
}

function formatOfType(type: string | null): Source["format"] {
  const essence = type?.split(";")[0]?.trim().toLowerCase();
  if (essence === "application/x-ndjson" || essence === "application/ndjson" || essence === "application/jsonl")
    return "ndjson";
  return essence === "application/json" ? "json" : undefined;
}

/** Aborts when one step takes too long. Time that the reader of the bytes takes is not counted. */
class Patience {
  timedOut = false;
  readonly ms: number;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #abort = () => this.#controller.abort(this.#outer?.reason);

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.ms = ms;
    this.#outer = outer;
    if (outer?.aborted) this.#abort();
    else outer?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async during<T>(step: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.timedOut = true;
      this.#controller.abort();
    }, this.ms);
    try {
      return await step();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the exchange, also one that is under way. */
  stop(): void {
    this.#outer?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }
}

function failure(name: string, error: unknown, patience: Patience): CacheError {
  if (error instanceof CacheError) return error;
  if (patience.timedOut) {
    return new CacheError("timeout", "source-timeout", `${name} did not answer within ${patience.ms} ms`, {
      cause: error,
      hint: "Try again, or give it more time with --timeout.",
    });
  }
  // fetch puts what happened into the cause of its error.
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const reason = messageOf(cause) || codeOf(cause) || "the connection failed";
  return new CacheError("connection", "source-unreachable", `${name} can't be read: ${reason}`, {
    cause: error,
    hint: "Check the URL and the network.",
  });
}

function refusal(name: string, status: number): CacheError {
  if (status === 404 || status === 410) {
    return new CacheError("usage", "source-not-found", `${name} does not exist (HTTP ${status})`, {
      hint: "Check the URL.",
    });
  }
  if (status === 401 || status === 403) {
    const hint = "Give user and password in the URL, or download it first.";
    return new CacheError("authentication", "source-refused", `${name} may not be read (HTTP ${status})`, { hint });
  }
  const kind = status >= 500 ? "connection" : "usage";
  const hint = "See what the server says with curl.";
  return new CacheError(kind, "source-refused", `${name} answered with HTTP ${status}`, { hint });
}
