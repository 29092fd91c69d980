/** Keys that are remembered to tell repeats from others: some 100 MB. */
const MOST_TOLD_APART = 1_000_000;

/** Tells the keys of a scan apart where the store may name one twice (`capabilities.repeatsInScan`), up to a million of them. */
export class Distinct {
  readonly #seen: Set<string> | undefined;
  readonly #most: number;
  #count = 0;

  /** @param repeats the store may name a key twice */
  constructor(repeats: boolean, most = MOST_TOLD_APART) {
    this.#seen = repeats ? new Set() : undefined;
    this.#most = most;
  }

  /** True for a key that came before, as far as that is remembered. */
  isRepeat(key: string): boolean {
    if (this.#seen?.has(key)) return true;
    this.#count += 1;
    if (this.#seen && this.#seen.size < this.#most) this.#seen.add(key);
    return false;
  }

  /** False once more keys came than are remembered: some may have been counted twice. */
  get exact(): boolean {
    return this.#seen === undefined || this.#count <= this.#most;
  }
}
