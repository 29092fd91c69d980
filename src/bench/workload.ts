import type { Cache, WriteEntry } from "../cache/cache.js";
import { CacheError } from "../errors.js";
import type { Lacking, Operation } from "./measure.js";
import type { BenchSettings, Cell } from "./plan.js";
import { drawKeys, randomOf, randomText } from "./random.js";

/** Draws before they begin anew: a power of two. */
const DRAWS = 1 << 16;
/** Different values of up to a size, one of larger ones; which one a key gets changes with every write. */
const VALUES = 4;
const LARGE = 1_000_000;
/** Bytes of values, and entries, in one call while a store is filled. */
const FILL_BYTES = 1_000_000;
const FILL_ENTRIES = 500;

const keyOf = (number: number) => `k${number}`;

/** What the operations of one cell are made of: the same for every store. */
export class Material {
  readonly cell: Cell;
  readonly #ttl: number;
  readonly #keys: readonly string[];
  readonly #values: readonly Uint8Array[];
  readonly #draws: Uint32Array;
  /** For each draw whether `mixed` reads. */
  readonly #reads: Uint8Array;

  /** @param ttl of the entries, in milliseconds */
  constructor(cell: Cell, { seed, distribution, readShare }: BenchSettings, ttl: number) {
    this.cell = cell;
    this.#ttl = ttl;
    this.#keys = Array.from({ length: cell.keys }, (_, i) => keyOf(i));
    const text = randomOf(seed, "values");
    this.#values = Array.from({ length: cell.valueSize > LARGE ? 1 : VALUES }, () => randomText(cell.valueSize, text));
    this.#draws = drawKeys(distribution, cell.keys, DRAWS, randomOf(seed, "keys"));
    const mix = randomOf(seed, "mix");
    this.#reads = Uint8Array.from({ length: DRAWS }, () => (mix() < readShare ? 1 : 0));
  }

  operation(cache: Cache): Operation {
    const get = (turn: number) => cache.getBytes(this.#key(turn));
    const set = (turn: number) => cache.setBytes(this.#key(turn), this.#value(turn), { ttl: this.#ttl });
    switch (this.cell.workload) {
      case "set":
        return { run: set, lacks };
      case "get":
        return { run: get, lacks };
      case "mixed":
        return { run: (turn) => (this.#reads[turn % DRAWS] === 1 ? get(turn) : set(turn)), lacks };
      case "batch-get":
        return { run: (turn) => cache.readMany(this.#several(turn)), lacks };
      case "batch-set":
        return { run: (turn) => cache.writeMany(this.#several(turn).map((key) => this.#entry(key, turn))), lacks };
    }
  }

  /** Writes every key. @throws CacheError also `bench-not-taken` where the store takes no values of this size */
  async fill(cache: Cache, signal: AbortSignal): Promise<void> {
    const step = Math.max(1, Math.min(FILL_ENTRIES, Math.floor(FILL_BYTES / this.cell.valueSize)));
    for (let i = 0; i < this.#keys.length && !signal.aborted; i += step) {
      const entries = this.#keys.slice(i, i + step).map((key, n) => this.#entry(key, i + n));
      const outcomes = await cache.writeMany(entries);
      if (outcomes.every((outcome) => outcome === "stored")) continue;
      throw new CacheError(
        "usage",
        "bench-not-taken",
        `the store does not take values of ${this.cell.valueSize} bytes`,
        {
          hint: "Give a smaller --value-size, or wider bounds in the store's URL.",
        },
      );
    }
  }

  #key(turn: number): string {
    return this.#keys[this.#draws[turn % DRAWS] ?? 0] ?? "";
  }

  #value(turn: number): Uint8Array {
    return this.#values[turn % this.#values.length] ?? new Uint8Array();
  }

  #entry(key: string, turn: number): WriteEntry {
    return { key, value: this.#value(turn), ttl: this.#ttl };
  }

  /** Keys of one call, no two alike: neighbours of the one that was drawn. */
  #several(turn: number): string[] {
    const { batch, keys } = this.cell;
    const first = this.#draws[turn % DRAWS] ?? 0;
    return Array.from({ length: batch }, (_, i) => this.#keys[(first + i) % keys] ?? "");
  }
}

/** An entry that is not there is undefined, one that was not taken an outcome other than `stored`. */
function lacks(result: unknown, into: Lacking): void {
  if (Array.isArray(result)) for (const one of result) lacks(one, into);
  else if (result === undefined) into.missed += 1;
  else if (typeof result === "string" && result !== "stored") into.rejected += 1;
}
