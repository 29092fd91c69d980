import { CacheError } from "../../errors.js";
import type { Stored } from "../backend.js";

/** Keys that are read together at most. */
const MAX_KEYS = 500;

interface Caller {
  resolve(found: [Stored | undefined]): void;
  reject(error: unknown): void;
}

/** Single reads of the same tick as one: what a read costs on its way through the tiers is paid once for all of them. */
export class JoinedReads {
  readonly #read: (keys: readonly string[]) => Promise<readonly (Stored | undefined)[]>;
  #keys: string[] = [];
  #callers: Caller[] = [];

  /** @param read of many keys, one of them twice where two asked for it */
  constructor(read: (keys: readonly string[]) => Promise<readonly (Stored | undefined)[]>) {
    this.#read = read;
  }

  get(key: string): Promise<[Stored | undefined]> {
    return new Promise((resolve, reject) => {
      this.#keys.push(key);
      this.#callers.push({ resolve, reject });
      // After the microtasks of this tick, so that every caller who was woken by one reply is in the next read.
      if (this.#keys.length === 1) process.nextTick(() => void this.#flush());
      else if (this.#keys.length === MAX_KEYS) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const [keys, callers] = [this.#keys, this.#callers];
    if (keys.length === 0) return;
    [this.#keys, this.#callers] = [[], []];
    try {
      const found = await this.#read(keys);
      for (let i = 0; i < callers.length; i++) callers[i]?.resolve([found[i]]);
    } catch (error) {
      // One entry that can't be read is the concern of who asked for it alone.
      if (callers.length > 1 && error instanceof CacheError && error.kind === "serialization") {
        for (let i = 0; i < callers.length; i++) this.#readAlone(keys[i] ?? "", callers[i]);
      } else for (const { reject } of callers) reject(error);
    }
  }

  #readAlone(key: string, caller: Caller | undefined): void {
    this.#read([key]).then(
      ([found]) => caller?.resolve([found]),
      (error) => caller?.reject(error),
    );
  }
}
