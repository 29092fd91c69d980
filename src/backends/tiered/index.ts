import type { ChangeOp } from "../../changes.js";
import { CacheError, messageOf } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Awaitable,
  type Backend,
  type BackendInfo,
  type Call,
  type Capabilities,
  type ChangePage,
  type CommonHead,
  type CounterReport,
  type Counters,
  type DeleteOptions,
  type DeleteReport,
  type EntryReader,
  type EntryWriter,
  type KeyDeletion,
  type Lease,
  type LeaseAnswer,
  type LeaseOptions,
  type NewEntry,
  type Position,
  type RangeOptions,
  type ReadOptions,
  readsDecoded,
  readsDirectly,
  readsForeign,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Shown,
  type Stored,
  showsEntries,
  type TierAccess,
  type TierInfo,
  type Touch,
  type Want,
  type WriteCall,
} from "../backend.js";
import { Counting } from "./counting.js";
import { givenName } from "./operations.js";
import { Reading } from "./reading.js";
import { Stack, type TieredContext, type TierOptions } from "./stack.js";
import { openRead, openWrite } from "./streaming.js";
import { isOfCopy } from "./version.js";
import { Writing } from "./writing.js";

export type { TieredContext, TierOptions } from "./stack.js";

/**
 * Puts stores one above the other. The lowest has everything and decides everything; those above it hold copies, which are read only while every change below them is heard.
 *
 * - a read answers from the fastest store that has the entry; one that fails is passed over, but for the lowest
 * - a change is made in the lowest, then in the copies; what was not confirmed there is not read from there
 * - a change of another process is obeyed as soon as the log of a store below tells it; when a log can't be read for 2 s, the stores above are not read
 * - a store above that outlives the process is read when it was found empty, or was emptied, which begins 2 s after opening
 *
 * @param tiers fastest first; they are closed with it
 * @throws CacheError `invalid-tiers`
 */
export function openTiered(tiers: readonly TierOptions[], context: TieredContext): Backend & TierAccess {
  const names = tiers.map(({ name }) => name);
  const lowest = tiers.at(-1);
  if (lowest === undefined) throw invalid("there is no tier", "Name at least one store.");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw invalid(`two tiers have the name "${twice}"`, "Give each a name of its own.");
  for (const { name, ttlMs } of tiers) {
    if (ttlMs === undefined || ttlMs === null || (ttlMs > 0 && Number.isFinite(ttlMs))) continue;
    throw invalid(
      `a TTL of ${ttlMs} ms in the tier "${name}" would keep nothing`,
      "Give milliseconds above zero, or none.",
    );
  }
  const stack = new Stack(tiers, lowest, context);
  const backend = new TieredBackend(tiers, stack);
  const top = stack.uppers[0];
  const fastest = tiers[0]?.backend ?? lowest.backend;
  return Object.assign(
    backend,
    readsDecoded(fastest) && {
      getDecoded(key: string, decode: (bytes: Uint8Array) => unknown): unknown {
        if (top && (!top.isUsable() || top.owes(key))) return undefined;
        const value = fastest.getDecoded(key, decode);
        if (value !== undefined) (top?.tally ?? stack.lowestTally).add("hits", 1);
        return value;
      },
    },
    readsDirectly(fastest) && {
      readDirect(key: string, want: Exclude<Want, "all">): Stored | undefined {
        if (top && (!top.isUsable() || top.owes(key) || !top.knows(want))) return undefined;
        const entry = fastest.readDirect(key, want);
        if (entry !== undefined) (top?.tally ?? stack.lowestTally).add("hits", 1);
        return entry;
      },
    },
    showsEntries(fastest) && {
      getEntry<T>(key: string, decodeHead: (head: CommonHead) => T): Shown<T> | undefined {
        if (top && (!top.isUsable() || top.owes(key) || !top.knows("copy"))) return undefined;
        const entry = fastest.getEntry(key, decodeHead);
        if (entry !== undefined) (top?.tally ?? stack.lowestTally).add("hits", 1);
        return entry;
      },
    },
    readsForeign(lowest.backend) && {
      readForeign: lowest.backend.readForeign.bind(lowest.backend),
    },
  );
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-tiers", message, { hint });
}

class TieredBackend implements Backend, TierAccess {
  readonly name = "tiers";
  readonly capabilities: Capabilities;
  readonly tierNames: readonly string[];
  readonly #tiers: readonly TierOptions[];
  readonly #stack: Stack;
  readonly #lowest: Backend;
  readonly #reading: Reading;
  readonly #writing: Writing;
  readonly #counting: Counting;
  #closing: Promise<void> | undefined;

  constructor(tiers: readonly TierOptions[], stack: Stack) {
    this.#tiers = tiers;
    this.#stack = stack;
    this.#lowest = stack.lowest;
    this.#reading = new Reading(stack);
    this.#writing = new Writing(stack);
    this.#counting = new Counting(stack);
    this.tierNames = tiers.map(({ name }) => name);
    // A copy does not know when its entry was made, and its tier says how long it stays.
    const { takesCopies: _, ...capabilities } = stack.lowest.capabilities;
    this.capabilities = { ...capabilities, knowsAge: false };
  }

  tier(name: string): Backend {
    const found = this.#tiers.find((tier) => tier.name === name);
    if (found) return found.backend;
    throw new CacheError("usage", "unknown-tier", `there is no tier "${name}"`, {
      hint: `Tiers here: ${this.tierNames.join(", ")}.`,
    });
  }

  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    return this.#reading.getMany(keys, options);
  }

  setMany(entries: readonly NewEntry[], options?: SetOptions): Promise<SetOutcome[]> {
    return this.#writing.setMany(entries, options);
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): Promise<boolean[]> {
    const keys = changes.map(({ key }) => key);
    return this.#writing.changeKeys(keys, options, (call) => this.#lowest.touchMany(changes, { ...options, ...call }));
  }

  deleteMany(keys: readonly string[], options?: KeyDeletion): Promise<boolean[]> {
    return this.#writing.changeKeys(keys, options, (call) => this.#lowest.deleteMany(keys, { ...options, ...call }));
  }

  deleteWhere(selector: Selector, options?: DeleteOptions): Promise<DeleteReport> {
    return this.#writing.deleteWhere(selector, options);
  }

  async atomic(steps: readonly AtomicStep[], options?: WriteCall): Promise<void> {
    const keys = steps.map((step) => ("set" in step ? step.set.key : step.delete));
    await this.#writing.changeKeys(keys, options, (call) => this.#lowest.atomic(steps, { ...options, ...call }));
  }

  ready(): Promise<void> {
    return this.#stack.ready;
  }

  promote(keys: readonly string[], options?: Call): Promise<number> {
    return this.#reading.promote(keys, options);
  }

  async announce(op: ChangeOp, selector: Selector, options?: WriteCall): Promise<void> {
    await this.#writing.announce(op, selector, options);
  }

  position(options?: Call): Awaitable<Position> {
    return this.#lowest.position(options);
  }

  async *changes(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    for await (const page of this.#lowest.changes(after, signal)) {
      yield { ...page, changes: page.changes.map((change) => ({ ...change, origin: givenName(change.origin) })) };
    }
  }

  async lease(key: string, ms: number, options: LeaseOptions = {}): Promise<LeaseAnswer> {
    if (options.over === undefined || !isOfCopy(options.over)) return this.#lowest.lease(key, ms, options);
    // Which entry of the lowest tier the copy is of is not known. The next read comes from there.
    await this.#stack.forget({ keys: [key] });
    return { outcome: "changed" };
  }

  renew(lease: Lease, ms: number): Awaitable<boolean> {
    return this.#lowest.renew(lease, ms);
  }

  release(lease: Lease): Awaitable<void> {
    return this.#lowest.release(lease);
  }

  commit(entry: NewEntry, lease: Lease, options?: WriteCall): Promise<boolean> {
    return this.#writing.commit(entry, lease, options);
  }

  openRead(key: string, options?: RangeOptions): Promise<EntryReader | undefined> {
    return openRead(this.#stack, key, options);
  }

  openWrite(head: Omit<NewEntry, "value">, options?: SetOptions): Promise<EntryWriter> {
    return openWrite(this.#stack, this.#writing, head, options);
  }

  hottest(limit: number, options?: Call): Promise<string[]> {
    return this.#lowest.hottest(limit, options);
  }

  scan(selector: Selector, options?: ScanOptions): AsyncIterable<ScanPage> {
    return this.#lowest.scan(selector, options);
  }

  /** What the layer above counts. Reads that it reports are those that were counted here, by tier, already: only what it saw beyond them is added. */
  count(deltas: Partial<Counters>): Awaitable<void> {
    return this.#counting.add(deltas);
  }

  counters(): Promise<CounterReport> {
    return this.#counting.report();
  }

  resetCounters(): Promise<void> {
    return this.#counting.reset();
  }

  async describe(): Promise<BackendInfo> {
    const lowest = await this.#lowest.describe();
    const tiers: TierInfo[] = [];
    for (const tier of this.#stack.uppers) {
      const { name, backend, bypassedSince, lagMs, owed } = tier;
      const info = await backend.describe().catch((error: unknown) => unknown(backend, error));
      tiers.push({
        ...info,
        name,
        inUse: tier.isUsable(),
        ...(bypassedSince !== undefined && { bypassedSince }),
        ...(Number.isFinite(lagMs) && { lagMs }),
        owed,
      });
    }
    tiers.push({ ...lowest, name: this.#stack.lowestName, inUse: true });
    return { ...lowest, kind: "tiers", target: tiers.map(({ target }) => target).join(" > "), tiers };
  }

  ping(options?: Call): Promise<number> {
    return this.#lowest.ping(options);
  }

  /** Of all tiers; the number of entries is that of the lowest. */
  async prune(): Promise<number> {
    const removed = await this.#lowest.prune();
    for (const tier of this.#stack.uppers) await tier.backend.prune().catch((error: unknown) => tier.failed(error));
    return removed;
  }

  close(): Promise<void> {
    this.#closing ??= this.#stack.close();
    return this.#closing;
  }
}

/** A store that can't say anything about itself just now. */
function unknown(backend: Backend, error: unknown): BackendInfo {
  return { kind: backend.name, target: backend.name, facts: {}, warnings: [messageOf(error)] };
}
