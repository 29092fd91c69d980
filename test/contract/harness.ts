import type { Backend, NewEntry, ScanOptions, Stored } from "../../src/backends/backend.js";
import type { Clock } from "../../src/clock.js";
import type { Selector } from "../../src/selector.js";

/** One empty store for one test, and the time that its backends live in. */
export interface Harness {
  /** The clock that the backends were opened with. */
  clock: Clock;
  /**
   * Opens the store for a namespace (`a:`; default none). Every call is a connection of its own to the same store, as
   * from another process, except where the store lives in the backend itself (`capabilities.persistent` is false).
   */
  open(namespace?: string, options?: { readOnly?: boolean }): Promise<Backend>;
  /** Resolves when `ms` have passed on the clock: a fake clock is moved, a real one is waited for. */
  advance(ms: number): void | Promise<void>;
  /**
   * The shortest TTL, in milliseconds, that a test can give an entry it will let expire: long enough to write a few
   * entries and read them before (1,000 on a fake clock; some 150 where time is real).
   */
  shortTtl: number;
  /** By how many milliseconds a deadline may come back different: 0 where it is stored as it is. */
  deadlineTolerance: number;
  /** A change is told before it and after it: a log may hold it twice. */
  tellsTwice?: boolean;
  /** A signal has to reach another process, and may come there after the last step of a deletion. */
  stopsLate?: boolean;
  /** Versions are made of what is stored: two writes of the same bytes have the same. */
  versionsByContent?: boolean;
  /** Throws if the inside of the backends contradicts itself; called after every test. */
  validate?(): void | Promise<void>;
  /** Closes what was opened and removes the store. */
  dispose(): Promise<void>;
}

/** Gives the harness of the running test. */
export type Current = () => Harness;

export const bytes = (text: string) => Buffer.from(text);

export const entry = (key: string, value = `value of ${key}`, more: Partial<NewEntry> = {}): NewEntry => ({
  key,
  value: bytes(value),
  ...more,
});

/** The value as text, undefined for a miss: what most expectations compare. */
export const textOf = (stored: Stored | undefined): string | undefined =>
  stored === undefined ? undefined : Buffer.from(stored.value).toString();

export async function texts(backend: Backend, keys: readonly string[]): Promise<(string | undefined)[]> {
  return (await backend.getMany(keys)).map(textOf);
}

export async function put(backend: Backend, ...entries: (string | NewEntry)[]): Promise<void> {
  const outcomes = await backend.setMany(entries.map((e) => (typeof e === "string" ? entry(e) : e)));
  const bad = outcomes.findIndex((outcome) => outcome !== "stored");
  if (bad >= 0 || outcomes.length !== entries.length) throw new Error(`not all stored: ${outcomes.join(", ")}`);
}

/** Every key a scan lists, in its order, repeats included. */
export async function listed(backend: Backend, selector: Selector, options?: ScanOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of backend.scan(selector, options)) keys.push(...page.entries.map((info) => info.key));
  return keys;
}

/** What the selector holds, each once, in the order of code units. */
export async function keysOf(backend: Backend, selector: Selector = { all: true }): Promise<string[]> {
  return [...new Set(await listed(backend, selector))].sort();
}

/** Keys that have broken caches: separators, patterns, quotes, paths, control characters, and the edges of Unicode. */
export const HOSTILE_KEYS: readonly string[] = [
  " ",
  " lead",
  "trail ",
  "a b",
  "a\nb",
  "a\r\nb",
  "tab\tkey",
  "\u0001\u001b[31m\u007f",
  "*",
  "?",
  "[",
  "]",
  "a*b",
  "a?b",
  "a[bc]",
  "a[^b]",
  "a\\b",
  "\\",
  "%",
  "_",
  "a%b",
  "a_b",
  "'",
  '"',
  "`",
  "'; DROP TABLE entries; --",
  "$(id)",
  "{tag}",
  "{tag}:x",
  "{",
  "}",
  ":",
  "::",
  "a:",
  ":a",
  "a:b:c",
  ".",
  "..",
  "../../etc/passwd",
  "/",
  "/abs",
  "a/b",
  "CON",
  "nul.txt",
  "-n",
  "--help",
  "null",
  "undefined",
  "0",
  "-1",
  "1e3",
  "true",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "toString",
  "A",
  "a",
  "é",
  "e\u0301",
  "ß",
  "SS",
  "İ",
  "i\u0307",
  "日本語",
  "👩‍👩‍👧",
  "😀",
  "😁",
  "\u00a0",
  "\u200b",
  "\u202ekey",
  "\ufeffkey",
  "\ufffd",
  "\ud7ff",
  "\ue000",
  "\uffff",
  "\u{10000}",
  "\u{10ffff}",
  "k".repeat(1024),
  "é".repeat(512),
  "\u{10ffff}".repeat(256),
];

/** The longest tag that the cache lets through, in bytes. */
const MAX_TAG_BYTES = 256;

export const HOSTILE_TAGS: readonly string[] = HOSTILE_KEYS.filter((text) => Buffer.byteLength(text) <= MAX_TAG_BYTES);
