import { CacheError } from "../../errors.js";
import { CHUNK_BYTES, checkMeta, type NewEntry, type SetMode, type SetOutcome, type Touch } from "../backend.js";
import { type Bounds, type VictimRow, victim } from "./bounds.js";
import { streamLost } from "./failures.js";
import type { Link, Statement } from "./link.js";
import type { Recency } from "./recency.js";
import { claimStream, dropStream, dropStreamsOf } from "./streams.js";
import { addToCounter, addToTotals } from "./sums.js";
import { tagsOf } from "./tag-list.js";
import { currentVersion } from "./versions.js";

/** SQLite's limit on a row is 10⁹ bytes, of which the row itself takes a few. */
const MAX_VALUE_BYTES = 999_999_000;

/** An entry without its value. */
export type EntryHead = Omit<NewEntry, "value">;

/** What stands for a value in the row of an entry: itself, the name of its file, or the id of its stream. */
export type Body = Uint8Array | string | number;

/** An entry as it is to be written. */
export interface Item {
  entry: EntryHead;
  /** Bytes of the value. */
  size: number;
  body: Body;
  /** The id of what was written as a stream and becomes the entry's now; see `streams` in the layout. */
  stream?: number;
}

/** @throws CacheError `invalid-key`, `value-too-large`, `meta-too-large` */
export function checkEntries(entries: readonly NewEntry[]): void {
  for (const entry of entries) {
    checkHead(entry);
    const { key, value } = entry;
    if (value.length > MAX_VALUE_BYTES) throw tooLarge(key, value.length, MAX_VALUE_BYTES);
  }
}

/** @throws CacheError `invalid-key`, `meta-too-large` */
export function checkHead({ key, meta }: EntryHead): void {
  if (!key.isWellFormed()) {
    throw new CacheError("usage", "invalid-key", "a key can't hold half of a surrogate pair", {
      key,
      hint: "Write the key as valid UTF-8.",
    });
  }
  checkMeta(meta, key);
}

export function tooLarge(key: string, size: number, most: number): CacheError {
  return new CacheError("usage", "value-too-large", `a value of ${size} bytes is more than ${most}`, {
    key,
    hint: most === MAX_VALUE_BYTES ? "Keep values below 1 GB." : "Keep values below the bound of the store.",
  });
}

export interface WriterOptions {
  namespace: string;
  bounds: Bounds;
  recency: Recency;
  /** Bodies are names of files, and those of removed entries are to be told. */
  named: boolean;
}

const INSERT = `INSERT INTO entries (k, expires_at, stale_at, created_at, accessed_at, size, tags)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (k) DO NOTHING`;

/** The writes of one transaction. What it changes in sum is written once, by {@link finish}. */
export class Writer {
  /** Bodies of what was removed or came to nothing, where they are names. */
  readonly released: string[] = [];
  /** Streams were left to the janitor. */
  dropped = false;
  readonly #link: Link;
  readonly #insertEntry: Statement<unknown>;
  readonly #insertBody: Statement<unknown>;
  readonly #options: WriterOptions;
  readonly #now: number;
  /** With bounds: the totals as they are; without: the changes. */
  #entries = 0;
  #bytes = 0;
  #evictions = 0;
  readonly #bounded: boolean;
  readonly #maxEntries: number;
  readonly #maxBytes: number;

  constructor(link: Link, options: WriterOptions, now: number) {
    this.#link = link;
    this.#insertEntry = link.action(INSERT);
    this.#insertBody = link.action("INSERT INTO bodies (id, body) VALUES (?, ?)");
    this.#options = options;
    this.#now = now;
    const { maxEntries, maxBytes, policy } = options.bounds;
    this.#bounded = maxEntries !== undefined || maxBytes !== undefined;
    this.#maxEntries = maxEntries ?? Number.POSITIVE_INFINITY;
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    if (!this.#bounded) return;
    if (policy === "lru") options.recency.write(link);
    const totals = link.rows<[number, number]>("SELECT entries, bytes FROM totals").get();
    [this.#entries, this.#bytes] = totals ?? [0, 0];
    // The bounds may be tighter than those that others filled the store by.
    this.#makeRoom(0, 0);
  }

  /** @throws CacheError `stream-lost` */
  put(item: Item, mode: SetMode): SetOutcome {
    const { entry, size, body, stream } = item;
    if (stream !== undefined && !claimStream(this.#link, stream)) throw streamLost(entry.key);
    const k = this.#options.namespace + entry.key;
    const given = entry.expiresAt ?? null;
    // Most writes are of new keys: those are inserted without a look at what was there.
    if (mode === "always" && !this.#bounded && !isPast(given, this.#now) && this.#insert(entry, k, given, size, body)) {
      return "stored";
    }
    const verdict = this.#prepare(entry, k, size, mode);
    if (typeof verdict !== "string") {
      this.#insert(entry, k, verdict.expiresAt, size, body);
      return "stored";
    }
    this.#discard(body);
    return verdict;
  }

  /** Writes nothing: what stands for the value is to be removed. */
  refuse({ body, stream }: Item): void {
    if (stream !== undefined) claimStream(this.#link, stream);
    this.#discard(body);
  }

  #discard(body: Body): void {
    if (typeof body === "string") this.released.push(body);
    else if (typeof body === "number") this.#drop(() => dropStream(this.#link, body));
  }

  /** Removes the entry of a key, live or not. */
  remove(key: string): void {
    const old = this.#find(this.#options.namespace + key);
    if (old) this.#remove(old);
  }

  #drop(work: () => void): void {
    work();
    this.dropped = true;
  }

  /** False where the key is there already. */
  #insert(entry: EntryHead, k: string, expiresAt: number | null, size: number, body: Body): boolean {
    const { meta } = entry;
    const tags = entry.tags === undefined || entry.tags.length === 0 ? undefined : [...new Set(entry.tags)];
    const list = tags === undefined ? null : JSON.stringify(tags);
    const staleAt = staleBefore(entry.staleAt, expiresAt);
    const at = this.#options.recency.tick(this.#now);
    const written = this.#insertEntry.run(k, expiresAt, staleAt, this.#now, at, size, list);
    if (written.changes === 0) return false;
    const id = Number(written.lastInsertRowid);
    this.#insertBody.run(id, body);
    if (meta !== undefined) this.#link.action("INSERT INTO metas (id, meta) VALUES (?, ?)").run(id, meta);
    if (tags !== undefined) {
      const insert = this.#link.action("INSERT INTO tags (tag, k, id) VALUES (?, ?, ?)");
      for (const tag of tags) insert.run(tag, k, id);
    }
    this.#entries += 1;
    this.#bytes += size;
    return true;
  }

  /** Makes way for an entry: what to answer at once, or the deadline that it gets. */
  #prepare(entry: EntryHead, k: string, size: number, mode: SetMode): SetOutcome | { expiresAt: number | null } {
    const old = this.#find(k);
    const live = old !== undefined && !isPast(old[2], this.#now);
    if (mode !== "always" && (mode === "if-present") !== live) return "condition";
    // Also where nothing takes its place: what was there is no longer the current value.
    if (old) this.#remove(old);
    if (size > this.#maxBytes) return "rejected";
    const expiresAt = entry.keepDeadline && live ? old[2] : (entry.expiresAt ?? null);
    if (isPast(expiresAt, this.#now)) return "stored";
    if (this.#bounded) this.#makeRoom(1, size);
    return { expiresAt };
  }

  #find(k: string): VictimRow | undefined {
    return this.#link.rows<VictimRow>("SELECT id, k, expires_at, size, tags FROM entries WHERE k = ?").get(k);
  }

  #makeRoom(entries: number, bytes: number): void {
    while (this.#entries + entries > this.#maxEntries || this.#bytes + bytes > this.#maxBytes) {
      const row = victim(this.#link, this.#options.bounds.policy ?? "fifo", this.#now);
      if (row === undefined) return;
      if (!isPast(row[2], this.#now)) this.#evictions += 1;
      this.#remove(row);
    }
  }

  /** Removes an entry whole and at once: its space is needed for what comes. */
  #remove([id, k, , size, tags]: VictimRow): void {
    const link = this.#link;
    link.action("DELETE FROM entries WHERE id = ?").run(id);
    if (this.#options.named) {
      const body = link.column<string>("SELECT body FROM bodies WHERE id = ?").get(id);
      if (body !== undefined) this.released.push(body);
    } else if (size > CHUNK_BYTES) this.#drop(() => dropStreamsOf(link, [id]));
    link.action("DELETE FROM bodies WHERE id = ?").run(id);
    link.action("DELETE FROM metas WHERE id = ?").run(id);
    if (tags !== null) {
      const remove = link.action("DELETE FROM tags WHERE tag = ? AND k = ? AND id = ?");
      for (const tag of tagsOf(tags)) remove.run(tag, k, id);
    }
    this.#entries -= 1;
    this.#bytes -= size;
  }

  /** False where there is no entry, or another than the change is for. */
  touch({ key, expiresAt, staleAt, meta, ifVersion }: Touch): boolean {
    const link = this.#link;
    const row = key.isWellFormed()
      ? link
          .rows<[id: number, expiresAt: number | null, staleAt: number | null]>(
            "SELECT id, expires_at, stale_at FROM entries WHERE k = ? AND (expires_at IS NULL OR expires_at > ?)",
          )
          .get(this.#options.namespace + key, this.#now)
      : undefined;
    if (row === undefined) return false;
    const [id, oldEnd, oldStaleAt] = row;
    if (ifVersion !== undefined && ifVersion !== currentVersion(link, id)) return false;
    const end = expiresAt === undefined ? oldEnd : expiresAt;
    const stale = staleBefore((staleAt === undefined ? oldStaleAt : staleAt) ?? undefined, end);
    link.action("UPDATE entries SET expires_at = ?, stale_at = ? WHERE id = ?").run(end, stale, id);
    if (meta !== undefined) {
      const sql = "INSERT INTO metas (id, meta) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET meta = excluded.meta";
      link.action(sql).run(id, meta);
    }
    return true;
  }

  /** Writes the sums; the last step of the transaction. */
  finish(): void {
    if (this.#bounded) {
      this.#link.action("UPDATE totals SET entries = ?, bytes = ?").run(this.#entries, this.#bytes);
    } else if (this.#entries !== 0 || this.#bytes !== 0) addToTotals(this.#link, this.#entries, this.#bytes);
    if (this.#evictions > 0) addToCounter(this.#link, this.#options.namespace, "evictions", this.#evictions);
  }
}

const isPast = (expiresAt: number | null, now: number) => expiresAt !== null && expiresAt <= now;

/** An entry that ends before it is stale is never stale. */
function staleBefore(staleAt: number | undefined, expiresAt: number | null): number | null {
  return staleAt === undefined || (expiresAt !== null && staleAt >= expiresAt) ? null : staleAt;
}
