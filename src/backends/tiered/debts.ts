import { type Concerned, coverage } from "../../changes.js";
import type { Clock } from "../../clock.js";
import type { Selector } from "../../selector.js";
import type { Awaitable, Backend } from "../backend.js";

/** Keys and selectors that wait to be deleted once more; beyond that, everything is. */
const MAX_KEYS = 10_000;
const MAX_SELECTORS = 100;

/** Milliseconds until a deletion that failed is tried again, at least and at most, doubling with full jitter. */
const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5000;

interface Debt {
  selector: Selector;
  covers: (entry: Concerned) => boolean;
}

/**
 * The copies that a tier has still to delete. From the moment in which they are owed until the store has confirmed that they are gone, nothing that they may be about is
 * to be read from it: a deletion that is slow, or fails, or is tried again for hours, serves nothing old.
 */
export class Debts {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #origin: string;
  readonly #signal: AbortSignal;
  readonly #track: (work: Promise<void>) => void;
  /** Of each key, by how many deletions it is named. */
  readonly #keys = new Map<string, number>();
  readonly #others = new Set<Debt>();
  /** What was tried in vain. */
  #unpaid: Debt[] = [];
  #retrying = false;

  /**
   * @param origin what the deletions are named by in the log of the store
   * @param signal ends the attempts
   * @param track told of work that goes on by itself
   */
  constructor(backend: Backend, { clock, origin, signal, track }: DebtOptions) {
    this.#backend = backend;
    this.#clock = clock;
    this.#origin = origin;
    this.#signal = signal;
    this.#track = track;
  }

  /** Deletions that are not confirmed. */
  get size(): number {
    return this.#keys.size + this.#others.size;
  }

  /** True if a copy under this key may have to go. */
  concern(key: string): boolean {
    if (this.size === 0) return false;
    if (this.#keys.has(key)) return true;
    for (const debt of this.#others) if (debt.covers({ key })) return true;
    return false;
  }

  /** Deletes what the selector may hold. @returns a promise of the end of the first attempt, unless it is over already */
  owe(selector: Selector): Awaitable<void> {
    const debt: Debt = { selector, covers: coverage(selector) };
    this.#add(debt);
    return this.#pay(debt);
  }

  #pay(debt: Debt): Awaitable<void> {
    try {
      const answer = this.#delete(debt.selector);
      if (!(answer instanceof Promise)) return this.#settle(debt, answer);
      return answer.then(
        (done) => this.#settle(debt, done),
        () => this.#settle(debt, false),
      );
    } catch {
      return this.#settle(debt, false);
    }
  }

  /** False where something may be left. */
  #delete(selector: Selector): Awaitable<boolean> {
    const call = { origin: this.#origin, signal: this.#signal };
    if ("keys" in selector) {
      const answer = this.#backend.deleteMany(selector.keys, call);
      return answer instanceof Promise ? answer.then(() => true) : true;
    }
    return this.#backend.deleteWhere(selector, call).then(({ complete, pending }) => complete || pending === true);
  }

  #settle(debt: Debt, done: boolean): void {
    if (done) {
      this.#remove(debt);
      return;
    }
    this.#unpaid.push(debt);
    if (this.#unpaid.length > MAX_KEYS) this.#unpaid = this.#merged();
    if (this.#retrying || this.#signal.aborted) return;
    this.#retrying = true;
    this.#track(this.#retry());
  }

  async #retry(): Promise<void> {
    for (let failures = 0; this.#unpaid.length > 0; failures++) {
      const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 10));
      await this.#clock.sleep(FIRST_DELAY_MS + Math.random() * most, this.#signal);
      if (this.#signal.aborted) return;
      const debts = this.#merged();
      this.#unpaid = [];
      while (debts.length > 0 && this.#unpaid.length === 0) {
        const next = debts.shift();
        if (next) await this.#pay(next);
      }
      this.#unpaid.push(...debts);
    }
    this.#retrying = false;
  }

  /** Few deletions that are owed in the place of the many that were tried in vain. */
  #merged(): Debt[] {
    const keys = new Set<string>();
    const others = new Map<string, Selector>();
    for (const { selector } of this.#unpaid) {
      if ("keys" in selector) for (const key of selector.keys) keys.add(key);
      else others.set(JSON.stringify(selector), selector);
    }
    const tooMany = keys.size > MAX_KEYS || others.size > MAX_SELECTORS;
    const selectors: Selector[] = tooMany ? [{ all: true }] : [...others.values()];
    if (!tooMany && keys.size > 0) selectors.push({ keys: [...keys] });
    const merged = selectors.map((selector) => ({ selector, covers: coverage(selector) }));
    for (const debt of merged) this.#add(debt);
    for (const debt of this.#unpaid) this.#remove(debt);
    return merged;
  }

  #add(debt: Debt): void {
    if (!("keys" in debt.selector)) this.#others.add(debt);
    else for (const key of debt.selector.keys) this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
  }

  #remove(debt: Debt): void {
    if (!("keys" in debt.selector)) this.#others.delete(debt);
    else {
      for (const key of debt.selector.keys) {
        const left = (this.#keys.get(key) ?? 0) - 1;
        if (left > 0) this.#keys.set(key, left);
        else this.#keys.delete(key);
      }
    }
  }
}

export interface DebtOptions {
  clock: Clock;
  origin: string;
  signal: AbortSignal;
  track: (work: Promise<void>) => void;
}
