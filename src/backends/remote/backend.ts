import { stepToWire, toWire } from "../../api/wire.js";
import type { ChangeOp } from "../../changes.js";
import { CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Backend,
  type BackendContext,
  type BackendInfo,
  type Call,
  type Capabilities,
  type ChangePage,
  type CounterReport,
  type Counters,
  checkMeta,
  type DeleteOptions,
  type DeleteReport,
  type EntryReader,
  type EntryWriter,
  type ForeignEntry,
  type KeyDeletion,
  type Lease,
  type LeaseAnswer,
  type LeaseOptions,
  type NewEntry,
  type Position,
  type RangeOptions,
  type ReadOptions,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Stored,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { checkRange, OrderedWriter } from "../streaming.js";
import { Answer, invalid } from "./answers.js";
import { batchesOf } from "./batches.js";
import { countersOf, infoOf as describedOf, foreignOf } from "./facts.js";
import { capabilitiesOf, changeOf, headOf, infoOf, leaseOf, outcomeOf, storedOf, unreadableOf } from "./heads.js";
import { Names } from "./names.js";
import { RemoteReader } from "./reader.js";
import type { Transport } from "./transport.js";
import { RemoteWriter } from "./writer.js";

/** Keys of one request. */
const KEYS_AT_ONCE = 1000;
/** The most that a store lists as its hottest. */
const MOST_HOTTEST = 10_000;

type Context = Pick<BackendContext, "namespace" | "clock" | "readOnly"> & { tier?: string };

/** The cache that a `cache serve` holds, or one of its tiers, through its admin API. */
export class RemoteBackend implements Backend {
  readonly name = "remote";
  readonly capabilities: Capabilities;
  readonly #transport: Transport;
  readonly #names: Names;
  readonly #context: Context;
  readonly #tier: { tier?: string };

  /** @param about what the server says of its store */
  constructor(transport: Transport, context: Context, about: Answer) {
    this.#transport = transport;
    this.#context = context;
    this.#names = new Names(context.namespace);
    this.#tier = context.tier === undefined ? {} : { tier: context.tier };
    this.capabilities = capabilitiesOf(about.part("capabilities"), context.namespace);
  }

  async getMany(keys: readonly string[], options: ReadOptions = {}): Promise<(Stored | undefined)[]> {
    const { want, peek, onUnreadable, signal } = options;
    const found: (Stored | undefined)[] = [];
    this.#transport.checkOpen();
    // An answer may end before all keys were looked at.
    while (found.length < keys.length) {
      const some = keys.slice(found.length, found.length + KEYS_AT_ONCE).map((key) => this.#names.full(key));
      const asked = { keys: some, ...(want && { want }), ...(peek && { peek }) };
      const answer = await this.#ask("entries/get", asked, signal);
      const entries = answer.list("entries");
      if (entries.length === 0 || entries.length > some.length) throw invalid("too few or too many entries");
      found.push(...entries.map(storedOf));
      const unreadable = answer.has("unreadable") ? answer.list("unreadable") : [];
      for (const one of unreadable) {
        const entry = unreadableOf(one, this.#names);
        if (onUnreadable) onUnreadable(entry);
        else if (entry.error) throw entry.error;
      }
    }
    return found;
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions = {}): Promise<SetOutcome[]> {
    this.#refuseWhenReadOnly();
    this.#transport.checkOpen();
    for (const { key, meta } of entries) {
      checkKey(key);
      checkMeta(meta, key);
    }
    const { mode, since, origin, signal, onPending } = options;
    const conditions = { ...(mode && { mode }), ...(since !== undefined && { since }) };
    const outcomes: SetOutcome[] = [];
    for (const batch of batchesOf(entries)) {
      if ("large" in batch) {
        const { value, ...head } = batch.large;
        const writer = await this.openWrite(head, options);
        await writer.write(value);
        outcomes.push(await writer.commit());
        continue;
      }
      const asked = { entries: batch.map((entry) => this.#entry(entry)), ...conditions, ...named(origin) };
      const answer = await this.#ask("entries/set", asked, signal, onPending);
      outcomes.push(...answer.list("outcomes", batch.length).map(outcomeOf));
    }
    return outcomes;
  }

  async touchMany(changes: readonly Touch[], options: WriteCall = {}): Promise<boolean[]> {
    this.#refuseWhenReadOnly();
    this.#transport.checkOpen();
    for (const { key, meta } of changes) checkMeta(meta, key);
    const touched: boolean[] = [];
    for (let i = 0; i < changes.length; i += KEYS_AT_ONCE) {
      const some = changes.slice(i, i + KEYS_AT_ONCE).map((change) => this.#entry(change));
      const asked = { changes: some, ...named(options.origin) };
      const answer = await this.#ask("entries/touch", asked, options.signal, options.onPending);
      touched.push(...answer.flags("touched", some.length));
    }
    return touched;
  }

  async deleteMany(keys: readonly string[], options: KeyDeletion = {}): Promise<boolean[]> {
    this.#refuseWhenReadOnly();
    this.#transport.checkOpen();
    const { versions, origin, signal, onPending } = options;
    const deleted: boolean[] = [];
    for (let i = 0; i < keys.length; i += KEYS_AT_ONCE) {
      const some = keys.slice(i, i + KEYS_AT_ONCE).map((key) => this.#names.full(key));
      const only = versions && { versions: versions.slice(i, i + KEYS_AT_ONCE) };
      const answer = await this.#ask("entries/delete", { keys: some, ...only, ...named(origin) }, signal, onPending);
      deleted.push(...answer.flags("deleted", some.length));
    }
    return deleted;
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.#refuseWhenReadOnly();
    const { signal, onProgress, onPending, ...asked } = options;
    this.#transport.checkOpen();
    if (signal?.aborted) return { deleted: 0, softened: 0, complete: false, ...cursorOf(options) };
    const call = this.#transport.duplex("/v1/entries/invalidate");
    // What it has done until then is told: it is not cut.
    const stop = () => void call.send({ stop: true });
    signal?.addEventListener("abort", stop, { once: true });
    try {
      await call.send({ ...this.#tier, selector: this.#names.selector(selector), ...asked });
      for (;;) {
        const answer = new Answer(await call.next());
        if (answer.has("done")) onProgress?.(answer.number("done"));
        if (!answer.has("report")) continue;
        if (answer.has("pending")) onPending?.();
        return reportOf(answer.part("report"));
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      call.destroy();
    }
  }

  async *scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    const { signal, onStep, ...asked } = options;
    const body = { ...this.#tier, selector: this.#names.selector(selector), ...asked };
    for await (const line of this.#transport.lines("/v1/entries/scan", body, signal)) {
      const answer = new Answer(line);
      if (!answer.has("entries")) {
        onStep?.();
        continue;
      }
      const entries = answer.list("entries").map((entry) => infoOf(entry, this.#names));
      yield { entries, ...(answer.has("cursor") && { cursor: answer.text("cursor") }) };
    }
  }

  async count(deltas: Partial<Counters>): Promise<void> {
    this.#transport.checkOpen();
    if (this.capabilities.counts && !this.#context.readOnly) await this.#ask("store/count", { deltas });
  }

  async counters(): Promise<CounterReport> {
    this.#transport.checkOpen();
    if (!this.capabilities.counts) return { counters: {}, source: "cache" };
    return countersOf(await this.#ask("store/counters", {}));
  }

  async resetCounters(): Promise<void> {
    this.#refuseWhenReadOnly();
    this.#transport.checkOpen();
    if (this.capabilities.counts) await this.#ask("store/reset-counters", {});
  }

  async describe(): Promise<BackendInfo> {
    // The server counts what it sees, which is more than a namespace in it.
    const sizes = this.#context.namespace === "";
    return describedOf(await this.#ask("store/describe", {}), this.#transport.target, sizes);
  }

  async ping(options: Call = {}): Promise<number> {
    const before = this.#context.clock.monotonic();
    await this.#ask("store/ping", {}, options.signal);
    return this.#context.clock.monotonic() - before;
  }

  async prune(): Promise<number> {
    this.#refuseWhenReadOnly();
    return (await this.#ask("store/prune", {})).number("removed");
  }

  async hottest(limit: number, options: Call = {}): Promise<string[]> {
    const own = this.#context.namespace;
    const answer = await this.#ask("entries/hottest", { limit: own === "" ? limit : MOST_HOTTEST }, options.signal);
    const keys = answer.texts("keys").filter((key) => key.startsWith(own));
    return keys.slice(0, limit).map((key) => this.#names.bare(key));
  }

  async announce(op: ChangeOp, selector: Selector, options: WriteCall = {}): Promise<void> {
    this.#refuseWhenReadOnly();
    const asked = { op, selector: this.#names.selector(selector), ...named(options.origin) };
    await this.#ask("store/announce", asked, options.signal);
  }

  async position(options: Call = {}): Promise<Position> {
    this.#refuseWhenReadOnly();
    return (await this.#ask("store/position", {}, options.signal)).text("position");
  }

  async *changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncGenerator<ChangePage> {
    this.#refuseWhenReadOnly();
    if (signal.aborted) return;
    try {
      for await (const line of this.#transport.lines("/v1/store/changes", { ...this.#tier, after }, signal, idle)) {
        const page = new Answer(line);
        yield {
          changes: page.list("changes").flatMap((change) => changeOf(change, this.#names)),
          position: page.text("position"),
          gap: page.flag("gap"),
          ...(page.has("more") && { more: page.flag("more") }),
        };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async lease(key: string, ms: number, options: LeaseOptions = {}): Promise<LeaseAnswer> {
    this.#refuseWhenReadOnly();
    const { over, signal } = options;
    const asked = { key: this.#names.full(key), ms, ...(over !== undefined && { over }) };
    const answer = await this.#ask("entries/lease", asked, signal);
    const outcome = answer.text("outcome");
    if (outcome === "taken") return { outcome, lease: leaseOf(answer.part("lease"), key) };
    if (outcome === "held") return { outcome, waitMs: answer.number("waitMs") };
    if (outcome === "changed") return { outcome };
    throw invalid("an outcome that there is not");
  }

  async renew(lease: Lease, ms: number): Promise<boolean> {
    this.#refuseWhenReadOnly();
    return (await this.#ask("entries/renew", { lease: this.#entry(lease), ms })).flag("ours");
  }

  async release(lease: Lease): Promise<void> {
    this.#refuseWhenReadOnly();
    await this.#ask("entries/release", { lease: this.#entry(lease) });
  }

  async commit(entry: NewEntry, lease: Lease, options: WriteCall = {}): Promise<boolean> {
    this.#refuseWhenReadOnly();
    checkKey(entry.key);
    const asked = { entry: this.#entry(entry), lease: this.#entry(lease), ...named(options.origin) };
    return (await this.#ask("entries/commit", asked, options.signal, options.onPending)).flag("stored");
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    checkRange(options);
    const { signal, onUnreadable: _, ...asked } = options;
    const body = { ...this.#tier, key: this.#names.full(key), ...asked };
    const lines = this.#transport.lines("/v1/entries/read", body, signal);
    const { value } = await lines.next();
    const first = new Answer(value);
    if (first.fields.head !== null) return new RemoteReader(headOf(first.part("head")), lines);
    await lines.return(undefined);
    return undefined;
  }

  async openWrite(head: Omit<NewEntry, "value">, options: SetOptions = {}): Promise<EntryWriter> {
    this.#refuseWhenReadOnly();
    checkKey(head.key);
    checkMeta(head.meta, head.key);
    const { mode, since, origin, signal } = options;
    const call = this.#transport.duplex("/v1/entries/write", signal);
    const conditions = { ...(mode && { mode }), ...(since !== undefined && { since }), ...named(origin) };
    await call.send({ ...this.#tier, head: this.#entry(head), ...conditions });
    await call.next();
    return new OrderedWriter(new RemoteWriter(call, head.key, this.#names.full(head.key)), head.key, signal);
  }

  async atomic(steps: readonly AtomicStep[], options: WriteCall = {}): Promise<void> {
    this.#refuseWhenReadOnly();
    for (const step of steps) if ("set" in step) checkKey(step.set.key);
    const full = steps.map((step): AtomicStep => {
      if ("delete" in step) return { delete: this.#names.full(step.delete) };
      return { set: { ...step.set, key: this.#names.full(step.set.key) } };
    });
    const asked = { steps: full.map(stepToWire), ...named(options.origin) };
    await this.#ask("entries/atomic", asked, options.signal, options.onPending);
  }

  async foreign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    const answer = await this.#ask("store/foreign", { key: this.#names.full(key), limit });
    return answer.has("entry") ? foreignOf(answer.part("entry")) : undefined;
  }

  async close(): Promise<void> {
    this.#transport.close();
  }

  async #ask(path: string, asked: object, signal?: AbortSignal, onPending?: () => void): Promise<Answer> {
    const answer = new Answer(await this.#transport.call(`/v1/${path}`, { ...this.#tier, ...asked }, signal));
    if (onPending && answer.has("pending")) onPending();
    return answer;
  }

  /** With its full key, and bytes as text. */
  #entry<T extends { key: string; value?: Uint8Array; meta?: Uint8Array }>(entry: T) {
    return toWire({ ...entry, key: this.#names.full(entry.key) });
  }

  #refuseWhenReadOnly(): void {
    if (!this.#context.readOnly) return;
    throw new CacheError("refused", "read-only", "the store was opened read-only");
  }
}

const cursorOf = ({ cursor }: DeleteOptions) => (cursor === undefined ? {} : { cursor });
const named = (origin: string | undefined) => (origin === undefined ? {} : { origin });

function reportOf(answer: Answer): DeleteReport {
  return {
    deleted: answer.number("deleted"),
    softened: answer.number("softened"),
    complete: answer.flag("complete"),
    ...(answer.has("cursor") && { cursor: answer.text("cursor") }),
    ...(answer.has("pending") && { pending: true }),
  };
}
