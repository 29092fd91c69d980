import { setImmediate as nextTurn } from "node:timers/promises";
import { CacheError } from "../../errors.js";
import { CHUNK_BYTES, type EntryWriter, type Lease, type SetOptions, type SetOutcome } from "../backend.js";
import { closedWriter } from "../streaming.js";
import type { Core } from "./core.js";
import { checkSignal } from "./failures.js";
import type { Watch } from "./log.js";
import { checkHead, type EntryHead, type Item } from "./writer.js";

/** A large value under way to where values lie. */
export interface Outlet {
  /** Takes one piece; it may be reused as soon as this resolves. */
  add(piece: Uint8Array): Promise<void>;
  /** All pieces are there: what is to be written into the row of the entry. */
  finish(entry: EntryHead, size: number): Promise<Item>;
  /** The entry has it, or it was refused with the entry. */
  end(): void;
  /** Removes what was written. */
  drop(): Promise<void>;
}

/** Where values go. */
export interface Outlets {
  /** A value that is small enough to be written at once. */
  whole(entry: EntryHead, value: Uint8Array): Promise<Item>;
  open(key: string): Promise<Outlet>;
}

/** Takes a value piece by piece and holds one chunk of it; up to that size it becomes an entry like any other. */
export class PieceWriter implements EntryWriter {
  readonly #core: Core;
  readonly #outlets: Outlets;
  readonly #entry: EntryHead;
  readonly #options: SetOptions;
  readonly #watch: Watch | undefined;
  readonly #maxBytes: number;
  #chunk = Buffer.alloc(0);
  #filled = 0;
  #size = 0;
  #outlet: Outlet | undefined;
  #state: "open" | "failed" | "closed" = "open";
  /** What was asked for last: one thing is done after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param watch where it is one of several entries that are written with the same options
   * @throws CacheError `invalid-key`, `meta-too-large`
   */
  constructor(core: Core, outlets: Outlets, entry: EntryHead, options: SetOptions, watch = core.watch(options)) {
    checkHead(entry);
    this.#core = core;
    this.#outlets = outlets;
    this.#entry = entry;
    this.#options = options;
    this.#watch = watch;
    this.#maxBytes = core.bounds.maxBytes ?? Number.POSITIVE_INFINITY;
  }

  write(piece: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkOpen();
      try {
        await this.#take(piece);
      } catch (error) {
        // With a hole in it it is no value any more.
        this.#state = "failed";
        throw error;
      }
    });
  }

  async #take(piece: Uint8Array): Promise<void> {
    checkSignal(this.#options.signal);
    this.#size += piece.length;
    if (this.#size > this.#maxBytes) return await this.#dropOutlet();
    for (let from = 0; from < piece.length; ) {
      if (this.#filled === CHUNK_BYTES) await this.#flush();
      const part = piece.subarray(from, from + CHUNK_BYTES - this.#filled);
      this.#room(this.#filled + part.length).set(part, this.#filled);
      this.#filled += part.length;
      from += part.length;
    }
  }

  /** The chunk, large enough: it grows, since most values are small. */
  #room(bytes: number): Buffer {
    if (this.#chunk.length < bytes) {
      const grown = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(bytes, this.#chunk.length * 2, 4096)));
      grown.set(this.#chunk.subarray(0, this.#filled));
      this.#chunk = grown;
    }
    return this.#chunk;
  }

  async #flush(): Promise<void> {
    if (this.#outlet === undefined) {
      this.#outlet = await this.#outlets.open(this.#entry.key);
      this.#core.writers.add(this);
    }
    await this.#outlet.add(this.#chunk.subarray(0, this.#filled));
    this.#filled = 0;
    // Others get their turn, also where all is done synchronously.
    await nextTurn();
  }

  commit(lease?: Lease): Promise<SetOutcome> {
    return this.#inTurn(async () => {
      this.#checkOpen();
      this.#state = "closed";
      try {
        checkSignal(this.#options.signal);
        const outcome = await this.#store(await this.#finished(), lease);
        this.#forget()?.end();
        return outcome;
      } catch (error) {
        await this.#dropOutlet();
        throw error;
      }
    });
  }

  async #finished(): Promise<Item> {
    const entry = this.#entry;
    // Nothing was kept of what is too large: the store refuses it by its size.
    if (this.#size > this.#maxBytes) return { entry, size: this.#size, body: new Uint8Array() };
    if (this.#size <= CHUNK_BYTES) return this.#outlets.whole(entry, this.#chunk.subarray(0, this.#filled));
    await this.#flush();
    return this.#opened().finish(entry, this.#size);
  }

  #opened(): Outlet {
    if (this.#outlet === undefined) throw closedWriter(this.#entry.key);
    return this.#outlet;
  }

  async #store(item: Item, lease: Lease | undefined): Promise<SetOutcome> {
    if (lease !== undefined) return this.#core.commit(item, lease, this.#options);
    const [outcome = "condition"] = await this.#core.set([item], this.#options, this.#watch);
    return outcome;
  }

  abort(): Promise<void> {
    return this.#inTurn(() => {
      this.#state = "closed";
      return this.#dropOutlet();
    });
  }

  async #dropOutlet(): Promise<void> {
    this.#filled = 0;
    const outlet = this.#forget();
    if (outlet === undefined) return;
    await outlet.drop();
    this.#core.wakeJanitor();
  }

  #forget(): Outlet | undefined {
    const outlet = this.#outlet;
    this.#outlet = undefined;
    this.#core.writers.delete(this);
    return outlet;
  }

  #checkOpen(): void {
    if (this.#state === "open") return;
    if (this.#state === "closed") throw closedWriter(this.#entry.key);
    throw new CacheError("usage", "writer-failed", "a piece of the value could not be written", {
      key: this.#entry.key,
      hint: "Abort, and write the value again.",
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    // A failure is its caller's; who comes next asks for the state.
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Writes a value that is there as a whole in pieces, between which others get their turn. */
export async function writeWhole(writer: PieceWriter, value: Uint8Array, lease?: Lease): Promise<SetOutcome> {
  try {
    for (let at = 0; at < value.length; at += CHUNK_BYTES) await writer.write(value.subarray(at, at + CHUNK_BYTES));
    return await writer.commit(lease);
  } catch (error) {
    // What failed is what the caller is told; what can't be removed either is swept later.
    await writer.abort().catch(() => undefined);
    throw error;
  }
}
