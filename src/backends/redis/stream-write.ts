import { randomBytes } from "node:crypto";
import { CacheError } from "../../errors.js";
import {
  CHUNK_BYTES,
  type EntryWriter,
  type Lease,
  type NewEntry,
  type SetOptions,
  type SetOutcome,
} from "../backend.js";
import { closedWriter } from "../streaming.js";
import type { Leases, Loaded } from "./lease.js";
import { markStore } from "./marks.js";
import { countPieces, listText, type PieceList, pieceName, removePieces } from "./pieces.js";
import { PIECES_GRACE_MS } from "./script-parts.js";
import { scriptsNeeded } from "./scripts.js";
import type { Store } from "./store.js";
import type { Writer } from "./write.js";

/** Milliseconds for which a piece waits for the commit of its value: what a writer leaves behind that died is gone then. */
const UNCOMMITTED_MS = 3_600_000;

/**
 * To be called one after the other, see `OrderedWriter`. A value up to {@link CHUNK_BYTES} becomes an entry like any other; of a larger one the pieces are written as they come, and the entry says where they are.
 */
export class PieceWriter implements EntryWriter {
  readonly #store: Store;
  readonly #writer: Writer;
  readonly #leases: Leases;
  readonly #head: Omit<NewEntry, "value">;
  readonly #options: SetOptions;
  readonly #list: PieceList;
  /** What is not written yet: less than a piece. */
  readonly #rest = Buffer.allocUnsafe(CHUNK_BYTES);
  #restBytes = 0;
  #over = false;
  #failed = false;

  constructor(store: Store, writer: Writer, leases: Leases, head: Omit<NewEntry, "value">, options: SetOptions) {
    this.#store = store;
    this.#writer = writer;
    this.#leases = leases;
    this.#head = head;
    this.#options = options;
    this.#list = { count: 0, size: 0, base: store.names.pieces(head.key, randomBytes(12).toString("base64url")) };
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#checkUse();
    try {
      await this.#take(piece);
    } catch (error) {
      // With a hole in it it is no value any more.
      this.#failed = true;
      throw error;
    }
  }

  async #take(piece: Uint8Array): Promise<void> {
    for (let from = 0; from < piece.length; ) {
      // Only when more comes: a value of one piece stays an entry like any other.
      if (this.#restBytes === CHUNK_BYTES) await this.#flush();
      const taken = piece.subarray(from, from + CHUNK_BYTES - this.#restBytes);
      this.#rest.set(taken, this.#restBytes);
      this.#restBytes += taken.length;
      this.#list.size += taken.length;
      from += taken.length;
    }
  }

  async commit(lease?: Lease): Promise<SetOutcome> {
    this.#checkUse();
    this.#over = true;
    let outcome: SetOutcome | undefined;
    try {
      outcome = await this.#put(await this.#entry(), lease);
      return outcome;
    } finally {
      if (outcome !== "stored") await removePieces(this.#store, this.#list);
    }
  }

  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await removePieces(this.#store, this.#list);
  }

  async #put(entry: Loaded, lease: Lease | undefined): Promise<SetOutcome> {
    if (lease) return (await this.#leases.commit(entry, lease, this.#options)) ? "stored" : "condition";
    const [outcome = "condition"] = await this.#writer.setMany([entry], this.#options);
    return outcome;
  }

  /** What is to be stored under the key. */
  async #entry(): Promise<Loaded> {
    if (this.#list.count === 0) return { ...this.#head, value: this.#rest.subarray(0, this.#restBytes) };
    await this.#flush();
    if ((await countPieces(this.#store, this.#list)) < this.#list.count) {
      throw new CacheError("store", "pieces-lost", "parts of the value are gone before it was whole", {
        key: this.#head.key,
        hint: "Write it again, faster than in an hour, and see that the server does not evict it.",
      });
    }
    const { expiresAt, keepDeadline } = this.#head;
    // On a cluster nothing moves the mark along when the deadline is moved.
    const lasts = expiresAt === undefined || keepDeadline || this.#store.connection.clustered;
    const ms = lasts ? undefined : Math.max(0, expiresAt - this.#store.clock.now()) + PIECES_GRACE_MS;
    await markStore(this.#store, ms);
    return { ...this.#head, value: listText(this.#list), kind: "pieces" };
  }

  async #flush(): Promise<void> {
    if (!this.#store.scripts.allowed) throw scriptsNeeded("writing a large value in pieces");
    const name = pieceName(this.#list, this.#list.count);
    const bytes = this.#rest.subarray(0, this.#restBytes);
    this.#list.count += 1;
    await this.#store.connection.call(["SET", name, bytes, "PX", UNCOMMITTED_MS]);
    this.#restBytes = 0;
  }

  #checkUse(): void {
    this.#store.connection.checkOpen();
    const { key } = this.#head;
    if (this.#over) throw closedWriter(key);
    if (!this.#failed) return;
    throw new CacheError("usage", "writer-failed", "a piece of the value could not be written", {
      key,
      hint: "Abort, and write the value again.",
    });
  }
}
