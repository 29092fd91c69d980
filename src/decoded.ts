/** What a decoder made of an entry, kept so that every caller can be given a copy of its own without decoding again. */
export interface Decoded {
  /** Bytes that it takes in memory, roughly. */
  readonly size: number;
  copy(): unknown;
}

/** Levels of objects in objects that are copied; what goes deeper is decoded every time. */
const MAX_DEPTH = 32;

/** Keeps a value if a copy of it can't be told from what the decoder makes: primitives, and plain objects and arrays of them. */
export function keepDecoded(value: unknown): Decoded | undefined {
  return keep(value, 0, new Set());
}

/** @param seen objects so far: one that is in two places, or in itself, is not copied as such */
function keep(value: unknown, depth: number, seen: Set<object>): Decoded | undefined {
  if (value === undefined || typeof value === "function") return undefined;
  if (typeof value !== "object" || value === null) return new Primitive(value);
  if (depth === MAX_DEPTH || seen.has(value)) return undefined;
  seen.add(value);
  return Array.isArray(value) ? keepArray(value, depth, seen) : keepObject(value, depth, seen);
}

function keepArray(value: unknown[], depth: number, seen: Set<object>): Decoded | undefined {
  // Holes, or properties beside the elements.
  if (Object.getPrototypeOf(value) !== Array.prototype || Reflect.ownKeys(value).length !== value.length + 1)
    return undefined;
  const nested: Nested<number>[] = [];
  let size = 64;
  for (const [key, item] of value.entries()) {
    const kept = keep(item, depth + 1, seen);
    if (kept === undefined) return undefined;
    size += 8 + kept.size;
    if (!(kept instanceof Primitive)) nested.push({ key, kept });
  }
  return new PlainArray(value, nested, size);
}

function keepObject(value: object, depth: number, seen: Set<object>): Decoded | undefined {
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const nested: Nested<string>[] = [];
  let size = 64;
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    // Assigned to a copy, a property of this name would become its prototype.
    if (typeof key !== "string" || key === "__proto__" || !isPlain(property)) return undefined;
    const kept = keep(property.value, depth + 1, seen);
    if (kept === undefined) return undefined;
    size += 8 + kept.size;
    if (!(kept instanceof Primitive)) nested.push({ key, kept });
  }
  return new PlainObject(value, nested, size);
}

function isPlain(property: PropertyDescriptor | undefined): property is PropertyDescriptor {
  return property?.enumerable === true && property.writable === true && property.configurable === true;
}

class Primitive implements Decoded {
  readonly size: number;
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
    this.size = typeof value === "string" ? 16 + value.length : typeof value === "number" ? 8 : 0;
  }

  copy(): unknown {
    return this.#value;
  }
}

/** An object in an object: what a shallow copy of the outer one would share. */
interface Nested<K> {
  key: K;
  kept: Decoded;
}

const NOTHING_NESTED: readonly never[] = [];

class PlainArray implements Decoded {
  readonly size: number;
  readonly #items: readonly unknown[];
  readonly #nested: readonly Nested<number>[];

  constructor(items: readonly unknown[], nested: readonly Nested<number>[], size: number) {
    const own = items.slice();
    for (const { key } of nested) own[key] = undefined;
    this.#items = own;
    this.#nested = nested.length === 0 ? NOTHING_NESTED : nested;
    this.size = size + 40 * (1 + nested.length);
  }

  copy(): unknown {
    const copy = this.#items.slice();
    for (const { key, kept } of this.#nested) copy[key] = kept.copy();
    return copy;
  }
}

class PlainObject implements Decoded {
  readonly size: number;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #nested: readonly Nested<string>[];

  constructor(fields: object, nested: readonly Nested<string>[], size: number) {
    const own: Record<string, unknown> = { ...fields };
    for (const { key } of nested) own[key] = undefined;
    this.#fields = own;
    this.#nested = nested.length === 0 ? NOTHING_NESTED : nested;
    this.size = size + 40 * (1 + nested.length);
  }

  copy(): unknown {
    const copy: Record<string, unknown> = { ...this.#fields };
    for (const { key, kept } of this.#nested) copy[key] = kept.copy();
    return copy;
  }
}
