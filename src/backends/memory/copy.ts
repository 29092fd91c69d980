import { markAsUntransferable } from "node:worker_threads";

/** Small arrays side by side in the same memory, as Node's Buffers are: that costs some 45 ns for 100 bytes, where an allocation of its own (`slice`) costs 700. */
class Pool {
  readonly #bytes: number;
  readonly #largest: number;
  #memory = new ArrayBuffer(0);
  #used = 0;

  /** @param bytes that one array holds back at most @param largest bytes of an array in it */
  constructor(bytes: number, largest: number) {
    this.#bytes = bytes;
    this.#largest = largest;
  }

  copy(bytes: Uint8Array): Uint8Array {
    const length = bytes.length;
    if (length > this.#largest) return new Uint8Array(bytes);
    if (this.#used + length > this.#memory.byteLength) {
      this.#memory = new ArrayBuffer(this.#bytes);
      // Handing one value's memory to a worker would take its neighbours' along.
      markAsUntransferable(this.#memory);
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#memory, this.#used, length);
    copy.set(bytes);
    // The next one begins at a multiple of 8, so that any typed array can be laid over it.
    this.#used += (length + 7) & ~7;
    return copy;
  }
}

/** A value that somebody keeps holds back its whole pool; a smaller pool costs more time for each value (8 KiB: 15 ns). Beside the copy of larger values allocating is little. */
const given = new Pool(32_768, 4096);

/**
 * What one value in the store holds back after its neighbours are gone is bounded by `maxEntries`. An allocation of its own takes some 300 bytes beside its value, so that pools of
 * this size are no larger even when most of what was in them is gone.
 */
const kept = new Pool(1024, 256);

/** Up to here V8 has arrays on its heap, which cost no allocation. */
const ON_HEAP_BYTES = 64;

/** A copy that shares nothing with the original, to be given away. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return given.copy(bytes);
}

/** A copy to be kept in the store: it holds back little of what is not. */
export function keepBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length <= ON_HEAP_BYTES ? new Uint8Array(bytes) : kept.copy(bytes);
}
