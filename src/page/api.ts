import type { errorAnswer } from "../api/admin.js";
import type { Checked } from "../api/checked.js";
import { Cell } from "./cell.js";

/** What the server refused, or why it could not be asked. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** 0 where there was no answer. */
  readonly status: number;
  /** Stable, to branch on. */
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: number, code: string, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export interface CallOptions {
  /** Those that are undefined are left out, lists are repeated. Any text, also a key with bytes that are no UTF-8. */
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
  /** A token that is refused says nothing of the session. */
  isLogin?: boolean;
}

/** How often the server did not let in who was logged in. */
export const refusals = new Cell(0);

/**
 * A call of the admin API, answered in JSON. @typeParam T as `Checked<typeof …Answer>` of src/api/ has it: the server is ours, and nothing is checked again
 * @throws ApiError
 */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await ask(method, path, options);
  return readWhole(response, () => response.json() as Promise<T>);
}

/** The bytes that a call is answered with. @throws ApiError */
export async function callForBytes(method: string, path: string, options: CallOptions = {}): Promise<Blob> {
  const response = await ask(method, path, options);
  return readWhole(response, () => response.blob());
}

/**
 * A call that is answered in lines of JSON, each as it comes; the last is `{"end": true}`, or an error.
 * @throws ApiError also for an answer that was cut short
 */
export async function* callForLines<T extends object>(
  method: string,
  path: string,
  options: CallOptions = {},
): AsyncGenerator<T> {
  const response = await ask(method, path, options);
  for await (const text of linesOf(response)) {
    const line = JSON.parse(text) as T | { end: true } | Checked<typeof errorAnswer>;
    if ("error" in line) throw errorFrom(response.status, line);
    if ("end" in line) return;
    yield line;
  }
  throw new ApiError(response.status, "cut-short", "the answer of the server was cut short");
}

/** The lines of an answer, each when it is there. @throws ApiError where the connection is lost */
export async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(noAnswer);
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest !== "") yield rest;
  } finally {
    // Who stops listening ends the answer; that it had ended is no failure.
    reader.cancel().catch(() => undefined);
  }
}

/** An answer, when it is known that it is none of a refusal. @throws ApiError */
export async function ask(
  method: string,
  path: string,
  { query = {}, body, signal, isLogin = false }: CallOptions,
): Promise<Response> {
  const response = await fetch(path + queryText(query), {
    method,
    // No cookie of ours goes elsewhere, and nothing is taken from the browser's cache.
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    ...(signal && { signal }),
  }).catch(noAnswer);
  if (response.ok) return response;
  if (response.status === 401 && !isLogin) refusals.set(refusals.value + 1);
  const said: unknown = await response.json().catch(() => undefined);
  throw errorFrom(response.status, said);
}

/** The query of a URL with its `?`, empty where there is nothing to ask. */
export function queryText(query: NonNullable<CallOptions["query"]>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
      (one: string | number | boolean) => `${encodeURIComponent(name)}=${encodeBytes(String(one))}`,
    ),
  );
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

/** Percent-encoded. Bytes that are no UTF-8 are lone surrogates in keys (U+DC80 to U+DCFF), and become those bytes again. */
function encodeBytes(text: string): string {
  return Array.from(text, (sign) => {
    const code = sign.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16)}`;
    return encodeURIComponent(code >= 0xd800 && code <= 0xdfff ? "\ufffd" : sign);
  }).join("");
}

async function readWhole<T>({ status }: Response, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(status, "cut-short", "the answer of the server could not be read");
  }
}

/** @throws ApiError, or the end that somebody wanted */
function noAnswer(error: unknown): never {
  if (isAbort(error)) throw error;
  throw new ApiError(0, "no-answer", "the server does not answer", "Is cache serve still running?");
}

/** A call that was given up by who made it: nothing to tell of. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function errorFrom(status: number, said: unknown): ApiError {
  const { error } = (typeof said === "object" && said !== null ? said : {}) as Partial<Checked<typeof errorAnswer>>;
  return new ApiError(status, error?.code ?? "unknown", error?.message ?? `the server answered ${status}`, error?.hint);
}
