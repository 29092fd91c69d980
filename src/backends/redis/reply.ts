import { CacheError } from "../../errors.js";

/** Replies as they must be; anything else means that what answers is no Redis. */
export function asBuffer(reply: unknown): Buffer {
  if (Buffer.isBuffer(reply)) return reply;
  throw unexpected("a string", reply);
}

export function asOptionalBuffer(reply: unknown): Buffer | undefined {
  return reply === null ? undefined : asBuffer(reply);
}

export function asText(reply: unknown): string {
  return typeof reply === "string" ? reply : asBuffer(reply).toString();
}

/** The name of a type. What no server calls a type is not passed on: it could hold anything, and names of types are printed as they are. */
export function asType(reply: unknown): string {
  const name = asText(reply);
  return /^[\w-]{1,32}$/.test(name) ? name : "unknown";
}

export function asInteger(reply: unknown): number {
  if (typeof reply === "number") return reply;
  throw unexpected("an integer", reply);
}

export function asArray(reply: unknown): unknown[] {
  if (Array.isArray(reply)) return reply;
  throw unexpected("an array", reply);
}

/** The elements two by two. */
export function pairs<T>(list: readonly T[]): [T, T][] {
  const out: [T, T][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) out.push([list[i] as T, list[i + 1] as T]);
  return out;
}

function unexpected(wanted: string, reply: unknown): CacheError {
  const got = reply === null ? "nothing" : Buffer.isBuffer(reply) ? "a string" : typeof reply;
  return new CacheError("store", "unexpected-reply", `the store answered with ${got} instead of ${wanted}`, {
    hint: "Check that the address is that of a Redis-compatible server.",
  });
}
