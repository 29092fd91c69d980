import { CHUNK_BYTES } from "../backend.js";

/** A value in pieces of at most {@link CHUNK_BYTES}. Nobody changes them any more: whoever reads it may go on when the entry is gone. */
export class Pieces {
  readonly list: readonly Uint8Array[];
  readonly size: number;

  constructor(list: readonly Uint8Array[]) {
    this.list = list;
    this.size = list.reduce((sum, piece) => sum + piece.length, 0);
  }

  /** Copies of the bytes from `start` to before `end`. */
  *slices(start: number, end: number): Generator<Uint8Array> {
    let at = 0;
    for (const piece of this.list) {
      const [from, to] = [Math.max(start - at, 0), Math.min(end - at, piece.length)];
      for (let i = from; i < to; i += CHUNK_BYTES) yield piece.slice(i, Math.min(i + CHUNK_BYTES, to));
      at += piece.length;
    }
  }

  /** All of it in one new array. */
  joined(): Uint8Array {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.list) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

/** The first room for a value that comes in pieces; it doubles up to {@link CHUNK_BYTES}. */
const FIRST_BYTES = 4096;

/** Collects what is written: however small the writes are, the pieces are full. */
export class PieceCollector {
  readonly #full: Uint8Array[] = [];
  readonly #most: number;
  #current = new Uint8Array(0);
  #used = 0;
  #size = 0;

  /** @param most bytes; of a value that is longer nothing is kept, but that it is */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  add(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > this.#most) {
      this.drop();
      return;
    }
    let done = 0;
    while (done < bytes.length) {
      if (this.#used === this.#current.length) this.#grow();
      const part = bytes.subarray(done, done + this.#current.length - this.#used);
      this.#current.set(part, this.#used);
      this.#used += part.length;
      done += part.length;
    }
  }

  take(): Pieces {
    const last = this.#used === this.#current.length ? this.#current : this.#current.slice(0, this.#used);
    return new Pieces(last.length > 0 ? [...this.#full, last] : this.#full);
  }

  drop(): void {
    this.#full.length = 0;
    this.#current = new Uint8Array(0);
    this.#used = 0;
  }

  #grow(): void {
    if (this.#used === CHUNK_BYTES) {
      this.#full.push(this.#current);
      this.#current = new Uint8Array(CHUNK_BYTES);
      this.#used = 0;
      return;
    }
    const larger = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(FIRST_BYTES, this.#used * 2)));
    larger.set(this.#current);
    this.#current = larger;
  }
}
