import type { ChangeOp } from "../../changes.js";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";

/** A change that a store must still be told of. */
export interface Missed {
  selector: Selector;
  /** Mark stale what has a stale window, delete the rest. */
  soft?: boolean;
  /** Nothing is to be changed, followers of the log are only to hear of it. */
  announce?: ChangeOp;
}

/** What was noted down up to a moment. */
export interface Batch {
  changes: Missed[];
  /** Something is missing: the whole namespace is to be deleted instead. */
  overflowed: boolean;
  /** To be called when all of it was made. */
  forget(): Promise<void>;
}

/** What a store has still to be told. */
export interface Waiting {
  /** Changes, a key each. */
  pending: number;
  overflowed: boolean;
}

/** Where changes are noted down that a store could not be told of. */
export interface Journal {
  /** Changes that were added here and not forgotten yet, a key each. */
  readonly pending: number;
  readonly overflowed: boolean;
  /** Resolves when it is as safe as it gets. @throws CacheError `journal-full`, `journal-not-written` */
  add(change: Missed): Promise<void>;
  /**
   * Everything so far, also of other processes and earlier ones; what is added from now on is in the next batch. A batch that was not forgotten is in the
   * next one again.
   */
  take(): Promise<Batch>;
  /** Everything that is noted down and not forgotten, also by other processes. @throws CacheError `journal-not-read` */
  waiting(): Promise<Waiting>;
}

export interface JournalBounds {
  /** Keys, and other selectors, at most. */
  maxKeys: number;
  maxBytes: number;
  /** The namespace may be deleted as a whole when there are more; else they are refused. */
  whole: boolean;
}

/** How many changes one counts for. */
export function sizeOf({ selector }: Missed): number {
  return "keys" in selector ? selector.keys.length : 1;
}

/** Changes of one batch: a key that is deleted again and again is noted down once. */
export class Noted {
  readonly #keys = new Set<string>();
  readonly #others = new Set<string>();

  get size(): number {
    return this.#keys.size + this.#others.size;
  }

  /** What of the change is new, undefined if nothing is. */
  fresh(change: Missed): Missed | undefined {
    if (!isKeys(change)) return this.#others.has(JSON.stringify(change)) ? undefined : change;
    const keys = [...new Set(change.selector.keys)].filter((key) => !this.#keys.has(key));
    return keys.length === 0 ? undefined : { selector: { keys } };
  }

  add(change: Missed): void {
    if (isKeys(change)) for (const key of change.selector.keys) this.#keys.add(key);
    else this.#others.add(JSON.stringify(change));
  }

  clear(): void {
    this.#keys.clear();
    this.#others.clear();
  }
}

/** Plain keys to delete: most of what is noted down. */
export function isKeys(change: Missed): change is { selector: { keys: readonly string[] } } {
  const { selector, soft, announce } = change;
  return "keys" in selector && selector.types === undefined && soft !== true && announce === undefined;
}

export function journalFull(): CacheError {
  return new CacheError(
    "connection",
    "journal-full",
    "the store is away, and no more changes can be noted down for it",
    {
      hint: "Bring the store back; a store with a namespace of its own could be deleted as a whole instead.",
      retryable: false,
    },
  );
}

/** A journal that lives as long as its process. */
export class MemoryJournal implements Journal {
  readonly #bounds: JournalBounds;
  readonly #noted = new Noted();
  #fresh: Missed[] = [];
  #taken: Missed[] = [];
  #bytes = 0;
  #lost = { fresh: false, taken: false };

  constructor(bounds: JournalBounds) {
    this.#bounds = bounds;
  }

  get pending(): number {
    return (
      [...this.#fresh, ...this.#taken].reduce((sum, change) => sum + sizeOf(change), 0) + (this.overflowed ? 1 : 0)
    );
  }

  get overflowed(): boolean {
    return this.#lost.fresh || this.#lost.taken;
  }

  async add(change: Missed): Promise<void> {
    const fresh = this.#lost.fresh ? undefined : this.#noted.fresh(change);
    if (fresh === undefined) return;
    const bytes = this.#bytes + JSON.stringify(fresh).length;
    const { maxBytes, maxKeys, whole } = this.#bounds;
    if (bytes > maxBytes || this.#noted.size + sizeOf(fresh) > maxKeys) {
      if (!whole) throw journalFull();
      this.#lost.fresh = true;
      this.#fresh = [];
      return;
    }
    this.#noted.add(fresh);
    this.#fresh.push(fresh);
    this.#bytes = bytes;
  }

  async waiting(): Promise<Waiting> {
    return { pending: this.pending, overflowed: this.overflowed };
  }

  async take(): Promise<Batch> {
    this.#taken.push(...this.#fresh);
    this.#lost = { fresh: false, taken: this.overflowed };
    this.#fresh = [];
    this.#bytes = 0;
    this.#noted.clear();
    return {
      changes: [...this.#taken],
      overflowed: this.#lost.taken,
      forget: async () => {
        this.#taken = [];
        this.#lost.taken = false;
      },
    };
  }
}
