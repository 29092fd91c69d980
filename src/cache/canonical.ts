import { types } from "node:util";
import { CacheError } from "../errors.js";

/** Deeper values are refused: a hash must not be a way to overflow the stack. */
const MAX_DEPTH = 200;
/** Holes in a row of an array: its length costs nothing to claim, and time to walk. */
const MAX_HOLES = 100_000;

/** Bytes, and {@link COST_OF_ONE} for each value, that may be written of what was written before: 16 arrays that each hold the next one twice are a hundred thousand values. */
const MAX_REPEATED = 16_000_000;
const COST_OF_ONE = 64;

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

/** What is known of the whole value while its parts are written. */
interface Walk {
  /** What holds the part that is being written. */
  readonly above: Set<object>;
  /** What was met before: written again at every place where it stands. */
  readonly seen: Set<object>;
  /** What that has cost. */
  repeated: number;
  /** How many of those above were met before. */
  within: number;
}

class CanonicalEncoder {
  readonly #parts: (Buffer | string)[] = [];
  readonly #walk: Walk;

  constructor(walk: Walk = { above: new Set(), seen: new Set(), repeated: 0, within: 0 }) {
    this.#walk = walk;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  }

  add(value: unknown, depth: number): void {
    this.#spend(COST_OF_ONE);
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
    const { above, seen } = this.#walk;
    if (above.has(value)) throw refused("the value contains itself");
    if (depth >= MAX_DEPTH) throw refused(`the value is nested more than ${MAX_DEPTH} levels deep`);
    const again = seen.has(value) ? 1 : 0;
    seen.add(value);
    above.add(value);
    this.#walk.within += again;
    this.#contents(value, depth + 1);
    this.#walk.within -= again;
    above.delete(value);
  }

  /** A few values that hold each other often would take for ever. */
  #spend(cost: number): void {
    if (this.#walk.within === 0) return;
    this.#walk.repeated += cost;
    if (this.#walk.repeated > MAX_REPEATED) throw refused("the same objects occur in it too often");
  }

  #contents(value: object, depth: number): void {
    if (isPlain(value)) this.#plain(value, depth);
    else if (isBuiltIn(value)) this.#builtIn(value, depth);
    // What a class keeps to itself can't be seen: only it can say what its instance is.
    else if (
      "toJSON" in value &&
      typeof value.toJSON === "function" &&
      !types.isDate(value) &&
      !Buffer.isBuffer(value)
    ) {
      this.#list("c", [classOf(value), value.toJSON()], depth);
    } else throw refused(`a ${classOf(value) || "class instance"} may hold more than can be seen of it`);
  }

  #builtIn(value: object, depth: number): void {
    if (Array.isArray(value)) this.#array(value, depth);
    else if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      // A Buffer is a Uint8Array with methods.
      this.#binary(types.isUint8Array(value) ? "Uint8Array" : classOf(value), bytes);
    } else {
      const own = types.isRegExp(value) ? 1 : 0;
      if (Reflect.ownKeys(value).length > own) throw refused(`a ${classOf(value)} has properties of its own`);
      if (types.isDate(value)) this.#number("d", value.getTime());
      else if (types.isRegExp(value)) this.#list("r", [value.source, value.flags], depth);
      else if (types.isMap(value)) this.#unordered("m", [...value], depth);
      else if (types.isSet(value)) this.#unordered("S", [...value], depth);
      else if (types.isArrayBuffer(value)) this.#binary("ArrayBuffer", new Uint8Array(value));
    }
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
    let filled = 0;
    for (let i = 0; i < list.length; i++) {
      if (!(i in list)) {
        holes += 1;
        if (holes > MAX_HOLES) throw refused("an array is all but empty");
        continue;
      }
      // A run of holes is one part, however long it is.
      if (holes > 0) this.#tag(`h${holes}:`);
      holes = 0;
      filled += 1;
      this.add(list[i], depth);
    }
    // Its length is one of them.
    if (Reflect.ownKeys(list).length > filled + 1) throw refused("an array has properties of its own");
    if (holes > 0) this.#tag(`h${holes}:`);
  }

  #list(tag: string, parts: readonly unknown[], depth: number): void {
    this.#tag(`${tag}${parts.length}:`);
    for (const part of parts) this.add(part, depth);
  }

  #unordered(tag: string, members: readonly unknown[], depth: number): void {
    const parts = members.map((member) => {
      const one = new CanonicalEncoder(this.#walk);
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
    this.#spend(bytes.length);
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

/** How long the chain of prototypes of each is, so that those of a class derived from it are told apart; also of another realm. */
function isBuiltIn(value: object): boolean {
  if (Buffer.isBuffer(value)) return chainOf(value) === 4;
  if (types.isTypedArray(value)) return chainOf(value) === 3;
  const known =
    Array.isArray(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isArrayBuffer(value) ||
    types.isDataView(value);
  return known && chainOf(value) === 2;
}

function chainOf(value: object): number {
  let length = 0;
  for (let above: unknown = Object.getPrototypeOf(value); above !== null; above = Object.getPrototypeOf(above))
    length += 1;
  return length;
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
