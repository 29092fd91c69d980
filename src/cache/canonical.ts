import { CacheError } from "../errors.js";

/** Deeper values are refused: a hash must not be a way to overflow the stack. */
const MAX_DEPTH = 200;
/** Holes in a row of an array: its length costs nothing to claim, and time to walk. */
const MAX_HOLES = 100_000;

/**
 * A value as bytes that are the same for the same value and different for any other. Each part is its type's letter, its length where the type alone doesn't say that,
 * and its content: no part can be taken for the end of another. (Netstrings, Bernstein 1997, with a type.)
 * @throws CacheError `unhashable`
 */
export function canonicalBytes(value: unknown): Buffer {
  const encoder = new CanonicalEncoder();
  encoder.add(value, 0);
  return encoder.bytes();
}

class CanonicalEncoder {
  readonly #parts: (Buffer | string)[] = [];
  readonly #above = new Set<object>();

  bytes(): Buffer {
    return Buffer.concat(this.#parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  }

  add(value: unknown, depth: number): void {
    if (value === undefined) this.#tag("u");
    else if (value === null) this.#tag("0");
    else if (typeof value === "boolean") this.#tag(value ? "t" : "f");
    else if (typeof value === "number") this.#number("n", value);
    else if (typeof value === "bigint") this.#content("i", Buffer.from(value.toString()));
    else if (typeof value === "string") this.#string(value);
    else if (typeof value === "object") this.#object(value, depth);
    else throw refused(`a ${typeof value} has no value to hash`);
  }

  #string(value: string): void {
    // UTF-16 where UTF-8 would make the halves of different surrogate pairs one replacement character.
    if (value.isWellFormed()) this.#content("s", Buffer.from(value));
    else this.#content("w", Buffer.from(value, "utf16le"));
  }

  #object(value: object, depth: number): void {
    if (this.#above.has(value)) throw refused("the value contains itself");
    if (depth >= MAX_DEPTH) throw refused(`the value is nested more than ${MAX_DEPTH} levels deep`);
    this.#above.add(value);
    this.#contents(value, depth + 1);
    this.#above.delete(value);
  }

  #contents(value: object, depth: number): void {
    if (Array.isArray(value)) this.#array(value, depth);
    else if (value instanceof Date) this.#number("d", value.getTime());
    else if (value instanceof RegExp) this.#list("r", [value.source, value.flags], depth);
    else if (value instanceof Map) this.#unordered("m", [...value], depth);
    else if (value instanceof Set) this.#unordered("S", [...value], depth);
    else if (value instanceof ArrayBuffer) this.#binary("ArrayBuffer", new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      // A Buffer is a Uint8Array with methods.
      this.#binary(value instanceof Uint8Array ? "Uint8Array" : classOf(value), bytes);
    } else if (isPlain(value)) this.#plain(value, depth);
    // What a class keeps to itself can't be seen: only it can say what its instance is.
    else if ("toJSON" in value && typeof value.toJSON === "function") {
      this.#list("c", [classOf(value), value.toJSON()], depth);
    } else throw refused(`a ${classOf(value) || "class instance"} may hold more than can be seen of it`);
  }

  /** Its own enumerable properties in the order of their names. */
  #plain(value: object, depth: number): void {
    if (Object.getOwnPropertySymbols(value).length > 0) throw refused("a property has a symbol for its name");
    const properties = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#tag(`o${properties.length}:`);
    for (const [name, own] of properties) {
      this.add(name, depth);
      this.add(own, depth);
    }
  }

  #array(list: readonly unknown[], depth: number): void {
    this.#tag(`a${list.length}:`);
    let holes = 0;
    for (let i = 0; i < list.length; i++) {
      if (!(i in list)) {
        holes += 1;
        if (holes > MAX_HOLES) throw refused("an array is all but empty");
        continue;
      }
      // A run of holes is one part, however long it is.
      if (holes > 0) this.#tag(`h${holes}:`);
      holes = 0;
      this.add(list[i], depth);
    }
    if (holes > 0) this.#tag(`h${holes}:`);
  }

  #list(tag: string, parts: readonly unknown[], depth: number): void {
    this.#tag(`${tag}${parts.length}:`);
    for (const part of parts) this.add(part, depth);
  }

  #unordered(tag: string, members: readonly unknown[], depth: number): void {
    const parts = members.map((member) => {
      const one = new CanonicalEncoder();
      for (const above of this.#above) one.#above.add(above);
      one.add(member, depth);
      return one.bytes();
    });
    this.#tag(`${tag}${parts.length}:`);
    this.#parts.push(...parts.sort(Buffer.compare));
  }

  #binary(type: string, bytes: Uint8Array): void {
    this.#tag("y");
    this.add(type, 0);
    this.#content("b", Buffer.from(bytes));
  }

  #number(tag: string, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    this.#tag(tag);
    this.#parts.push(Number.isNaN(value) ? NAN : bytes);
  }

  #content(tag: string, bytes: Buffer): void {
    this.#parts.push(`${tag}${bytes.length}:`, bytes);
  }

  #tag(tag: string): void {
    this.#parts.push(tag);
  }
}

/** One of the many bit patterns of NaN. */
const NAN = Buffer.from("7ff8000000000000", "hex");

/** A plain object, also of another realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== "object" || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

function classOf(value: object): string {
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" ? name : "";
}

function refused(why: string): CacheError {
  return new CacheError("usage", "unhashable", `this can't be part of a key: ${why}`, {
    hint: "Give the key function plain data: strings, numbers, dates, arrays, objects.",
  });
}
