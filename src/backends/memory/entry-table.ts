import { LRUCache } from "lru-cache";
import { chargeOf, type MemoryEntry } from "./entry.js";

const NONE: ReadonlySet<string> = new Set();

export interface TableSizes {
  entries: number;
  /** What the entries take of `maxBytes`. */
  charged: number;
  /** Bytes of the values alone. */
  valueBytes: number;
}

/**
 * The entries with their three views, which agree after every call: by recency (lru-cache, which also keeps the bounds),
 * by age of the key (for scans), and by tag. What lru-cache drops leaves the other two in the same moment.
 */
export class EntryTable {
  readonly #lru: LRUCache<string, MemoryEntry>;
  /** Keys in the order of their sequence: a Map keeps the place of a key that is set again. */
  readonly #inOrder = new Map<string, MemoryEntry>();
  readonly #byTag = new Map<string, Set<string>>();
  #valueBytes = 0;
  #sequence = 0;

  /** @param onEvict told of each entry that had to go to keep the bounds */
  constructor(maxEntries: number, maxBytes: number, onEvict: (entry: MemoryEntry) => void) {
    this.#lru = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      dispose: (entry, _key, reason) => {
        this.#forget(entry, reason === "set");
        if (reason === "evict") onEvict(entry);
      },
    });
  }

  /** The sequence of the newest key. */
  get newest(): number {
    return this.#sequence;
  }

  /** Keys in the order in which they would stay: the last ones go first. */
  byRank(): Iterable<string> {
    return this.#lru.keys();
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** The entry, expired or not; moves its recency. */
  use(key: string): MemoryEntry | undefined {
    return this.#lru.get(key);
  }

  /** The entry, expired or not; moves no recency. */
  peek(key: string): MemoryEntry | undefined {
    return this.#inOrder.get(key);
  }

  /** Puts an entry in the place of the one with its key; the caller has made sure that it fits the bounds by itself. */
  put(entry: MemoryEntry): void {
    this.#lru.set(entry.key, entry, { size: chargeOf(entry, entry.size) });
    this.#inOrder.set(entry.key, entry);
    this.#valueBytes += entry.size;
    for (const tag of entry.tags) {
      const keys = this.#byTag.get(tag);
      if (keys) keys.add(entry.key);
      else this.#byTag.set(tag, new Set([entry.key]));
    }
  }

  remove(key: string): boolean {
    return this.#lru.delete(key);
  }

  clear(): void {
    this.#lru.clear();
  }

  /** Entries in the order of their sequence; writes and removals while it is under way are fine. */
  inOrder(): IterableIterator<MemoryEntry> {
    return this.#inOrder.values();
  }

  /** Entries that carry one of the tags, oldest key first. */
  taggedAny(tags: readonly string[]): MemoryEntry[] {
    const keys = new Set<string>();
    for (const tag of tags) for (const key of this.#byTag.get(tag) ?? []) keys.add(key);
    return this.#sorted(keys);
  }

  /** Entries that carry the rarest of the tags, and so at least all that carry every one; oldest key first. */
  taggedAll(tags: readonly string[]): MemoryEntry[] {
    let rarest: ReadonlySet<string> | undefined;
    for (const tag of tags) {
      const keys = this.#byTag.get(tag) ?? NONE;
      if (rarest === undefined || keys.size < rarest.size) rarest = keys;
    }
    return this.#sorted(rarest ?? NONE);
  }

  #sorted(keys: ReadonlySet<string>): MemoryEntry[] {
    const entries: MemoryEntry[] = [];
    for (const key of keys) {
      const entry = this.#inOrder.get(key);
      if (entry) entries.push(entry);
    }
    return entries.sort((a, b) => a.sequence - b.sequence);
  }

  get sizes(): TableSizes {
    return { entries: this.#lru.size, charged: this.#lru.calculatedSize, valueBytes: this.#valueBytes };
  }

  #forget(entry: MemoryEntry, replaced: boolean): void {
    this.#valueBytes -= entry.size;
    for (const tag of entry.tags) {
      const keys = this.#byTag.get(tag);
      keys?.delete(entry.key);
      if (keys?.size === 0) this.#byTag.delete(tag);
    }
    if (!replaced) this.#inOrder.delete(entry.key);
  }

  /**
   * Works everything out anew from the entries and compares.
   * @returns a sentence for each contradiction; none when all is well
   */
  contradictions(maxEntries: number, maxBytes: number): string[] {
    const found: string[] = [];
    const expect = (what: string, is: unknown, should: unknown) => {
      if (is !== should) found.push(`${what} is ${is}, should be ${should}`);
    };
    let charged = 0;
    let valueBytes = 0;
    let last = 0;
    const tagged = new Map<string, number>();
    for (const [key, entry] of this.#inOrder) {
      expect(`the key of ${key}`, entry.key, key);
      expect(`the entry of ${key} in lru-cache`, this.#lru.peek(key) === entry, true);
      if (entry.sequence <= last) found.push(`${key} is out of order`);
      last = entry.sequence;
      charged += chargeOf(entry, entry.size);
      valueBytes += entry.size;
      for (const tag of entry.tags) {
        expect(`${key} under its tag ${tag}`, this.#byTag.get(tag)?.has(key) ?? false, true);
        tagged.set(tag, (tagged.get(tag) ?? 0) + 1);
      }
    }
    expect("the number of entries in lru-cache", this.#lru.size, this.#inOrder.size);
    expect("the charged size", this.#lru.calculatedSize, charged);
    expect("the size of the values", this.#valueBytes, valueBytes);
    expect("the number of tags", this.#byTag.size, tagged.size);
    for (const [tag, count] of tagged) expect(`the size of tag ${tag}`, this.#byTag.get(tag)?.size, count);
    if (this.#lru.size > maxEntries) found.push(`${this.#lru.size} entries, more than ${maxEntries}`);
    if (charged > maxBytes) found.push(`${charged} bytes, more than ${maxBytes}`);
    return found;
  }
}
