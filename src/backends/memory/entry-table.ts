import type { Decoded } from "../../decoded.js";
import type { MemoryPolicy } from "../backend.js";
import { chargeOf, type MemoryEntry } from "./entry.js";
import { openPolicy } from "./policy/open-policy.js";
import type { Policy } from "./policy/policy.js";
import { Slots } from "./policy/slots.js";
import { recordBytes, type Slab, Slabs } from "./slabs.js";
import { type Deadline, Times } from "./times.js";

/** A quarter of the bytes at most is for decoded values: they may not drive out entries for the sake of speed. */
const DECODED_SHARE = 4;

/** What a decoded head is taken to weigh: objects and texts made of the bytes of meta. */
const DECODED_HEAD_BYTES = 200;
const DECODED_META_FACTOR = 2;

const NONE: ReadonlySet<string> = new Set();

export interface TableOptions {
  maxEntries: number;
  maxBytes: number;
  policy: MemoryPolicy;
  /** Told of each entry that has to go to keep the bounds. */
  onEvict: (entry: MemoryEntry) => void;
}

/** Of a new entry. */
export interface EntryTimes {
  /** Epoch milliseconds. */
  createdAt: number;
  staleAt: number | undefined;
  deadline: Deadline;
}

export interface TableSizes {
  entries: number;
  /** What the entries take of `maxBytes`. */
  charged: number;
  /** Bytes of the values alone. */
  valueBytes: number;
}

/**
 * The entries with their three views, which agree after every call: by age of the key (for lookups and scans), by tag, and by the policy, in whose order they go when one
 * of the bounds is reached. The bounds hold after every call.
 */
export class EntryTable {
  readonly #options: TableOptions;
  /** In the order of their sequence: a Map keeps the place of a key that is set again. */
  readonly #entries = new Map<string, MemoryEntry>();
  readonly #byTag = new Map<string, Set<string>>();
  /** Of the entries that are here. */
  readonly times = new Times();
  #slots = new Slots(this.times);
  readonly slabs = new Slabs((slot) => this.#slots.entry(slot));
  #policy: Policy;
  #charged = 0;
  #valueBytes = 0;
  /** Bytes of what was decoded, part of what is charged. */
  #decodedBytes = 0;
  #sequence = 0;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#policy = openPolicy(options.policy, { ...options, slots: this.#slots });
  }

  /** The sequence of the newest key. */
  get newest(): number {
    return this.#sequence;
  }

  /** Keys, those in most use first as far as the policy knows. */
  *byRank(): Generator<string> {
    for (const slot of this.#policy.byRank()) {
      const entry = this.#slots.entry(slot);
      if (entry) yield entry.key;
    }
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** The entry, expired or not; moves nothing. */
  peek(key: string): MemoryEntry | undefined {
    return this.#entries.get(key);
  }

  /** It was read. */
  used(entry: MemoryEntry): void {
    this.#policy.use(entry.slot);
  }

  /** Its deadlines were changed; so is its meta, where one is given. The caller has made sure that it fits the bounds by itself. */
  changed(entry: MemoryEntry, meta: Uint8Array | undefined): void {
    const before = weightOf(entry);
    this.#decodedBytes -= decodedBytesOf(entry);
    if (meta !== undefined) entry.changeMeta(meta, this.slabs);
    entry.decodedHead = undefined;
    this.#decodedBytes += decodedBytesOf(entry);
    this.#reweigh(entry, before);
    this.#keepBounds(entry.slot);
  }

  /**
   * Puts an entry in the place of the one with its key; the caller has made sure that it fits the bounds by itself.
   * @param old the one that is there
   */
  put(entry: MemoryEntry, { createdAt, staleAt, deadline }: EntryTimes, old: MemoryEntry | undefined): void {
    const weight = weightOf(entry);
    this.#entries.set(entry.key, entry);
    this.#charged += weight;
    this.#note(entry);
    entry.slot = old ? old.slot : this.#slots.take(entry, weight);
    this.times.note(entry.slot, createdAt, staleAt, deadline);
    this.slabs.mark(entry);
    if (old === undefined) this.#policy.add(entry.slot);
    else {
      const before = this.#slots.weight(entry.slot);
      this.#charged -= before;
      this.#slots.replace(entry.slot, entry, weight);
      this.#forget(old, entry);
      this.#policy.rewrite(entry.slot, weight - before);
    }
    this.#keepBounds(entry.slot);
  }

  /** Keeps what was decoded of an entry if there is room for it: no entry has to go for it. */
  keepDecoded(entry: MemoryEntry, decoded: Decoded): void {
    if (!this.#hasRoomFor(decoded.size)) return;
    const before = weightOf(entry);
    entry.decoded = decoded;
    this.#decodedBytes += decoded.size;
    this.#reweigh(entry, before);
  }

  /** The same for what was made of its head, of which the size is not known. */
  keepDecodedHead(entry: MemoryEntry, head: unknown): void {
    const size = DECODED_HEAD_BYTES + DECODED_META_FACTOR * entry.metaBytes;
    if (!this.#hasRoomFor(size)) return;
    const before = weightOf(entry);
    entry.decodedHead = { head, size };
    this.#decodedBytes += size;
    this.#reweigh(entry, before);
  }

  #hasRoomFor(decodedBytes: number): boolean {
    const { maxBytes } = this.#options;
    if (this.#decodedBytes + decodedBytes > maxBytes / DECODED_SHARE) return false;
    return this.#charged + decodedBytes <= maxBytes;
  }

  /** @param before what it weighed */
  #reweigh(entry: MemoryEntry, before: number): void {
    const weight = weightOf(entry);
    this.#charged += weight - before;
    this.#slots.replace(entry.slot, entry, weight);
    this.#policy.adjust(entry.slot, weight - before);
  }

  remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  #remove(entry: MemoryEntry): void {
    this.#entries.delete(entry.key);
    this.#policy.remove(entry.slot);
    this.#charged -= this.#slots.weight(entry.slot);
    this.#slots.release(entry.slot);
    this.#forget(entry, undefined);
  }

  clear(): void {
    this.#entries.clear();
    this.#byTag.clear();
    this.#slots = new Slots(this.times);
    this.#policy = openPolicy(this.#options.policy, { ...this.#options, slots: this.#slots });
    this.slabs.clear();
    this.#charged = 0;
    this.#valueBytes = 0;
    this.#decodedBytes = 0;
  }

  #keepBounds(spared: number): void {
    const { maxEntries, maxBytes, onEvict } = this.#options;
    while (this.#entries.size > maxEntries || this.#charged > maxBytes) {
      const slot = this.#policy.victim(spared);
      const entry = slot === undefined ? undefined : this.#slots.entry(slot);
      if (entry === undefined) return;
      onEvict(entry);
      this.#remove(entry);
    }
  }

  /** Entries in the order of their sequence; writes and removals while it is under way are fine. */
  inOrder(): IterableIterator<MemoryEntry> {
    return this.#entries.values();
  }

  /** Entries that carry one of the tags, oldest key first. */
  taggedAny(tags: readonly string[]): MemoryEntry[] {
    const [first = "", ...others] = tags;
    if (others.length === 0) return this.#sorted(this.#byTag.get(first) ?? NONE);
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
    let last = 0;
    let inOrder = true;
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      entries.push(entry);
      inOrder &&= entry.sequence > last;
      last = entry.sequence;
    }
    // They mostly are, and sorting many holds up everybody.
    return inOrder ? entries : entries.sort((a, b) => a.sequence - b.sequence);
  }

  get sizes(): TableSizes {
    return { entries: this.#entries.size, charged: this.#charged, valueBytes: this.#valueBytes };
  }

  #note(entry: MemoryEntry): void {
    this.#valueBytes += entry.size;
    for (const tag of entry.tags) {
      const keys = this.#byTag.get(tag);
      if (keys) keys.add(entry.key);
      else this.#byTag.set(tag, new Set([entry.key]));
    }
  }

  /** @param successor what took its place under the same key */
  #forget(entry: MemoryEntry, successor: MemoryEntry | undefined): void {
    this.#decodedBytes -= decodedBytesOf(entry);
    this.#valueBytes -= entry.size;
    this.slabs.release(entry.slab, entry.size + entry.metaSize);
    for (const tag of entry.tags) {
      if (successor?.tags.includes(tag)) continue;
      const keys = this.#byTag.get(tag);
      keys?.delete(entry.key);
      if (keys?.size === 0) this.#byTag.delete(tag);
    }
  }

  /**
   * Works everything out anew from the entries and compares.
   * @returns a sentence for each contradiction; none when all is well
   */
  contradictions(): string[] {
    const { maxEntries, maxBytes } = this.#options;
    const found = this.#policy.contradictions();
    const expect = (what: string, is: unknown, should: unknown) => {
      if (is !== should) found.push(`${what} is ${is}, should be ${should}`);
    };
    let charged = 0;
    let valueBytes = 0;
    let decodedBytes = 0;
    let last = 0;
    const tagged = new Map<string, number>();
    const slabs = new Map<Slab, number>();
    for (const [key, entry] of this.#entries) {
      expect(`the key of ${key}`, entry.key, key);
      expect(`the slot of ${key}`, this.#slots.entry(entry.slot) === entry, true);
      expect(`the weight of ${key}`, this.#slots.weight(entry.slot), weightOf(entry));
      if (entry.sequence <= last) found.push(`${key} is out of order`);
      last = entry.sequence;
      charged += weightOf(entry);
      decodedBytes += decodedBytesOf(entry);
      valueBytes += entry.size;
      const { slab } = entry;
      if (slab) slabs.set(slab, (slabs.get(slab) ?? 0) + recordBytes(entry.size + entry.metaSize));
      for (const tag of entry.tags) {
        expect(`${key} under its tag ${tag}`, this.#byTag.get(tag)?.has(key) ?? false, true);
        tagged.set(tag, (tagged.get(tag) ?? 0) + 1);
      }
    }
    for (const [slab, bytes] of slabs) expect("what is in use of a slab", slab.live, bytes);
    expect("the number of slots", this.#slots.count, this.#entries.size);
    expect("the charged size", this.#charged, charged);
    expect("the size of the values", this.#valueBytes, valueBytes);
    expect("the size of what was decoded", this.#decodedBytes, decodedBytes);
    expect("the number of tags", this.#byTag.size, tagged.size);
    for (const [tag, count] of tagged) expect(`the size of tag ${tag}`, this.#byTag.get(tag)?.size, count);
    if (this.#entries.size > maxEntries) found.push(`${this.#entries.size} entries, more than ${maxEntries}`);
    if (charged > maxBytes) found.push(`${charged} bytes, more than ${maxBytes}`);
    return found;
  }
}

function decodedBytesOf({ decoded, decodedHead }: MemoryEntry): number {
  const ofHead = typeof decodedHead === "object" ? decodedHead.size : 0;
  return typeof decoded === "object" ? decoded.size + ofHead : ofHead;
}

/** What the entry takes of `maxBytes` as it is. */
function weightOf(entry: MemoryEntry): number {
  return chargeOf(entry, entry.size, entry.metaBytes) + decodedBytesOf(entry);
}
