import type { Opening } from "../../change-window.js";
import type { ChangeOp } from "../../changes.js";
import type { Selector } from "../../selector.js";
import type {
  Awaitable,
  DeleteOptions,
  DeleteReport,
  Lease,
  NewEntry,
  Position,
  SetMode,
  SetOptions,
  SetOutcome,
  WriteCall,
} from "../backend.js";
import { nameFor, type Operation } from "./operations.js";
import { coarseOf, type Stack } from "./stack.js";

/** What is to become of the copies when the lowest tier has made a change. */
export interface Aftermath {
  /** New values that it has now. */
  keep: readonly NewEntry[];
  /** What it has no longer, or has in a form that is not known here. */
  drop: Selector;
}

/**
 * Changes the lowest tier, then the copies above it, from the lowest up. Two changes of a key that overlap leave no copy: nobody knows which of them the lowest tier made last.
 */
export class Writing {
  readonly #stack: Stack;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  /**
   * @param scope what may change
   * @param act changes the lowest tier, with the options that name the change
   * @throws what the lowest tier throws; the copies are dropped then, since what became of the change is not known
   */
  async change<R>(
    scope: Selector,
    options: WriteCall | undefined,
    act: (call: WriteCall) => Awaitable<R>,
    after: (result: R) => Awaitable<Aftermath>,
    operation: Operation = this.#stack.operations.begin(),
  ): Promise<R> {
    const { window, operations } = this.#stack;
    window.record({ selector: scope });
    const opening = window.open();
    const positions = this.#stack.positions();
    try {
      const result = await act(this.callOf(operation, options));
      const { keep, drop } = await after(result);
      await this.#settle(scope, keep, drop, opening, positions);
      return result;
    } catch (error) {
      operations.fail(operation);
      // Who may only read has changed nothing.
      if (!this.#stack.readOnly) await this.#stack.forget(scope);
      throw error;
    } finally {
      opening.close();
    }
  }

  /** The options of a call that is to be known again in the log. */
  callOf(operation: Operation, options: WriteCall | undefined): WriteCall {
    return {
      ...options,
      origin: nameFor(operation, options?.origin),
      onPending: () => {
        // It is made later, at a time that is not known here.
        this.#stack.operations.fail(operation);
        options?.onPending?.();
      },
    };
  }

  async #settle(
    scope: Selector,
    keep: readonly NewEntry[],
    drop: Selector,
    during: Opening,
    positions: readonly (Position | undefined)[],
  ): Promise<void> {
    const { window, uppers } = this.#stack;
    const isOvertaken = (opening: Opening) => (entry: NewEntry) =>
      opening.concerns({ key: entry.key, tags: entry.tags ?? [] });
    const overtaken = keep.filter(isOvertaken(during));
    let kept = overtaken.length === 0 ? keep : keep.filter((entry) => !overtaken.includes(entry));
    // What was read from the lowest tier while it changed may be what was there before.
    window.record({ selector: scope });
    for (let level = uppers.length - 1; level >= 0; level--) {
      const tier = uppers[level];
      if (!tier) continue;
      const opening = window.open();
      const waits = [
        tier.drop(drop),
        tier.drop({ keys: overtaken.map(({ key }) => key) }),
        tier.isFollowing
          ? tier.store(kept, opening, positions[level], true)
          : tier.drop({ keys: kept.map(({ key }) => key) }),
      ].filter((wait) => wait instanceof Promise);
      if (waits.length > 0) {
        await Promise.all(waits);
        const late = kept.filter(isOvertaken(opening));
        overtaken.push(...late);
        if (late.length > 0) kept = kept.filter((entry) => !late.includes(entry));
        // The same goes for what was read from this tier meanwhile.
        window.record({ selector: scope });
      }
      opening.close();
    }
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions = {}): Promise<SetOutcome[]> {
    if (entries.length === 0) return this.#stack.lowest.setMany(entries, options);
    const { mode = "always" } = options;
    return this.change(
      { keys: entries.map(({ key }) => key) },
      options,
      (call) => this.#stack.lowest.setMany(entries, { ...options, ...call }),
      async (outcomes) => aftermathOf(await this.#withDeadlines(entries, outcomes), outcomes, mode),
    );
  }

  /** An entry that kept the deadline which it had, with what that is: a copy needs to know. Where it can't be told, there is no copy. */
  async #withDeadlines(entries: readonly NewEntry[], outcomes: readonly SetOutcome[]): Promise<readonly NewEntry[]> {
    const kept = entries.filter((entry, i) => entry.keepDeadline && outcomes[i] === "stored").map(({ key }) => key);
    if (kept.length === 0) return entries;
    const read = async () => this.#stack.lowest.getMany(kept, { want: "expiry", peek: true });
    const found = await read().catch(() => []);
    const heads = new Map(kept.map((key, i) => [key, found[i]]));
    return entries.map((entry) => {
      const head = heads.get(entry.key);
      if (!entry.keepDeadline || head === undefined) return entry;
      const { keepDeadline: _, expiresAt: __, ...rest } = entry;
      return head.expiresAt === undefined ? rest : { ...rest, expiresAt: head.expiresAt };
    });
  }

  /** Changes keys of which no copy is to stay. */
  async changeKeys<R>(
    keys: readonly string[],
    options: WriteCall | undefined,
    act: (call: WriteCall) => Awaitable<R>,
  ): Promise<R> {
    return this.change({ keys }, options, act, () => ({ keep: [], drop: { keys } }));
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    // From now on, too: what a long deletion has removed below is not to be read here until its end.
    const forgotten = this.#stack.readOnly ? undefined : this.#stack.forget(selector);
    const report = await this.change(
      selector,
      options,
      (call) => this.#stack.lowest.deleteWhere(selector, { ...options, ...call }),
      () => ({ keep: [], drop: coarseOf(selector) }),
    );
    await forgotten;
    return report;
  }

  async commit(entry: NewEntry, lease: Lease, options?: WriteCall): Promise<boolean> {
    const drop = { keys: [entry.key] };
    return this.change(
      drop,
      options,
      (call) => this.#stack.lowest.commit(entry, lease, { ...options, ...call }),
      (stored) => (stored && !entry.keepDeadline ? { keep: [entry], drop: { keys: [] } } : { keep: [], drop }),
    );
  }

  async announce(op: ChangeOp, selector: Selector, options?: WriteCall): Promise<void> {
    await this.change(
      selector,
      options,
      (call) => this.#stack.lowest.announce(op, selector, { ...options, ...call }),
      () => ({ keep: [], drop: coarseOf(selector) }),
    );
  }
}

/** What becomes of copies after a batch: of each key what was last done to it counts. */
function aftermathOf(entries: readonly NewEntry[], outcomes: readonly SetOutcome[], mode: SetMode): Aftermath {
  const keep = new Map<string, NewEntry>();
  const drop = new Set<string>();
  for (const [i, entry] of entries.entries()) {
    const outcome = outcomes[i];
    if (outcome === "stored" && !entry.keepDeadline) {
      keep.set(entry.key, entry);
      drop.delete(entry.key);
      // Where there is no entry, there can be no copy either; where there is one, its copies are as good as before.
    } else if (outcome !== "condition" || (mode === "if-present" && !keep.has(entry.key))) {
      keep.delete(entry.key);
      drop.add(entry.key);
    }
  }
  return { keep: [...keep.values()], drop: { keys: [...drop] } };
}
