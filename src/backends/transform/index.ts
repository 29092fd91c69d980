import { constants } from "node:buffer";
import type { ChangeOp } from "../../changes.js";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Awaitable,
  type Backend,
  type BackendContext,
  type BackendInfo,
  type BackendKind,
  type Call,
  type Capabilities,
  type ChangePage,
  type CounterReport,
  type Counters,
  type DecodedReader,
  type DeleteOptions,
  type DeleteReport,
  type EntryReader,
  type EntryViewer,
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
  readsForeign,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Stored,
  showsEntries,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { checkRange, OrderedWriter } from "../streaming.js";
import { type CompressionOptions, Compressor } from "./compression.js";
import { decodedReader } from "./decoded.js";
import { isTransformed } from "./header.js";
import type { KeyRing } from "./key-ring.js";
import { Losses, type Lost } from "./losses.js";
import { type Opened, orItsError } from "./opened.js";
import { openTransformed } from "./reader.js";
import { Sealer, Unreadable } from "./sealer.js";
import { inTurns } from "./turns.js";
import { EncryptingWriter, PlainWriter } from "./writer.js";

export type { CompressionOptions } from "./compression.js";
export type { Algorithm } from "./header.js";
export { type EncryptionKey, KeyRing, loadKeyRing } from "./key-ring.js";

export interface TransformOptions {
  /** Raw prefix of every key, as the backend was opened with: it is part of what an encrypted value is bound to. */
  namespace: string;
  /** Absent: nothing new is compressed. */
  compression?: CompressionOptions;
  /** Absent: nothing new is encrypted. */
  encryption?: { keys: KeyRing };
  /** Bytes that a compressed value may have; a larger one is a miss and stays where it is. Streams have no such limit. Default 256 MiB. */
  maxDecompressedBytes?: number;
}

const DEFAULT_MAX_DECOMPRESSED = 256 * 1024 * 1024;

/**
 * A backend whose values are compressed and encrypted as the options say, and whatever they say, read as they were given: what any earlier setting made
 * of them is undone. Values alone: keys, tags and meta are stored as they are.
 *
 * - `size` of an entry that is read is that of its value; a scan's `size`, `minSize` and `describe().bytes` count what is stored.
 * - A value that was damaged, or encrypted with another key of the same id or under another name, is a miss. It is counted as an error, told as
 *   `damaged-value`, and removed unless it was written anew meanwhile, or the store is read-only.
 * - A value that would be too large decompressed is a miss, told as `value-too-large`, and stays.
 * - What can't be read here and may be sound is an error: `encryption-key-missing`, `envelope-unsupported`, `zstd-unavailable`.
 *
 * @throws CacheError of kind `usage`: `invalid-compression`, `zstd-unavailable`
 */
export function transformed(
  backend: Backend,
  options: TransformOptions,
  context: Pick<BackendContext, "emit" | "readOnly">,
): Backend {
  const wrapper = new TransformedBackend(backend, options, context);
  // Those parts are found by looking whether they are there.
  const decoded = readsDecoded(backend) ? { getDecoded: wrapper.decodedReader(backend) } : {};
  const foreign = readsForeign(backend)
    ? { readForeign: (key: string, limit: number) => backend.readForeign(key, limit) }
    : {};
  const viewed = showsEntries(backend) ? { getEntry: plainViewer(backend) } : {};
  return Object.assign(wrapper, decoded, foreign, viewed);
}

/** Shows what lies there as it was given; nobody is shown bytes that first have to be undone. */
function plainViewer(inner: EntryViewer): EntryViewer["getEntry"] {
  return (key, decodeHead) => {
    const entry = inner.getEntry(key, decodeHead);
    return entry === undefined || isTransformed(entry.value) ? undefined : entry;
  };
}

/**
 * Checks options before a store is opened, so that none is made for settings that can't be right.
 * @throws CacheError of kind `usage`: `invalid-compression`, `zstd-unavailable`
 */
export function checkTransform({
  compression,
  maxDecompressedBytes = DEFAULT_MAX_DECOMPRESSED,
}: Omit<TransformOptions, "namespace">): void {
  if (!(Number.isInteger(maxDecompressedBytes) && maxDecompressedBytes > 0) || maxDecompressedBytes > MOST) {
    throw new CacheError("usage", "invalid-compression", `maxDecompressedBytes can't be ${maxDecompressedBytes}`, {
      hint: `Give it in whole bytes, from 1 to ${MOST}.`,
    });
  }
  if (compression) new Compressor(compression);
}

class TransformedBackend implements Backend {
  readonly name: BackendKind;
  readonly capabilities: Capabilities;
  readonly #inner: Backend;
  readonly #options: TransformOptions;
  readonly #losses: Losses;
  readonly #sealer: Sealer;

  constructor(inner: Backend, options: TransformOptions, context: Pick<BackendContext, "emit" | "readOnly">) {
    const { namespace, compression, encryption, maxDecompressedBytes = DEFAULT_MAX_DECOMPRESSED } = options;
    checkTransform(options);
    this.name = inner.name;
    // Encrypting takes its time.
    const { takesCopies: _, ...capabilities } = inner.capabilities;
    this.capabilities = capabilities;
    this.#inner = inner;
    this.#options = options;
    this.#losses = new Losses(inner, { emit: context.emit, readOnly: context.readOnly ?? false });
    const compressor = compression && new Compressor(compression);
    this.#sealer = new Sealer({ namespace, compressor, keys: encryption?.keys, maxDecompressedBytes });
  }

  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    const found = this.#inner.getMany(keys, options);
    return found instanceof Promise
      ? found.then((entries) => this.#open(keys, entries, options))
      : this.#open(keys, found, options);
  }

  /** Nearly always nothing is to be done: that is found out with a look at one byte of each. */
  #open(
    keys: readonly string[],
    entries: (Stored | undefined)[],
    options: ReadOptions | undefined,
  ): Awaitable<(Stored | undefined)[]> {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined && isTransformed(entry.value))
        return this.#openSome(keys, entries, options?.onUnreadable);
    }
    return entries;
  }

  #openSome(
    keys: readonly string[],
    entries: (Stored | undefined)[],
    onUnreadable: ReadOptions["onUnreadable"],
  ): Awaitable<(Stored | undefined)[]> {
    const open = (entry: Stored | undefined, i: number) => {
      if (!entry || !isTransformed(entry.value)) return undefined;
      return this.#sealer.open(keys[i] ?? "", entry.value);
    };
    const values = inTurns<Stored | undefined, Opened>(
      entries,
      onUnreadable ? (entry, i) => orItsError(() => open(entry, i)) : open,
    );
    return values instanceof Promise
      ? values.then((ready) => this.#replace(keys, entries, ready, onUnreadable))
      : this.#replace(keys, entries, values, onUnreadable);
  }

  #replace(
    keys: readonly string[],
    entries: (Stored | undefined)[],
    values: Opened[],
    onUnreadable: ReadOptions["onUnreadable"],
  ): Awaitable<(Stored | undefined)[]> {
    const lost = new Map<string, Lost>();
    for (const [i, value] of values.entries()) {
      const entry = entries[i];
      if (!entry || value === undefined) continue;
      const key = keys[i] ?? "";
      const { version } = entry;
      if (value instanceof CacheError) {
        entries[i] = undefined;
        onUnreadable?.({ key, version, error: value });
      } else if (value instanceof Unreadable) {
        lost.set(key, { unreadable: value, stored: entry.value });
        entries[i] = undefined;
        if (!value.broken) onUnreadable?.({ key, version });
      } else entries[i] = { ...entry, value, size: value.length };
    }
    return lost.size === 0 ? entries : this.#losses.forget(lost).then(() => entries);
  }

  decodedReader(inner: DecodedReader): DecodedReader["getDecoded"] {
    return decodedReader(inner, this.#sealer, (key, unreadable, stored) => {
      void this.#losses.forget(new Map([[key, { unreadable, stored }]]));
    });
  }

  setMany(entries: readonly NewEntry[], options?: SetOptions): Awaitable<SetOutcome[]> {
    const sealed = this.#sealAll(entries);
    return sealed instanceof Promise
      ? sealed.then((ready) => this.#inner.setMany(ready, options))
      : this.#inner.setMany(sealed, options);
  }

  #sealAll(entries: readonly NewEntry[]): Awaitable<NewEntry[]> {
    const { compression, encryption } = this.#options;
    const isPlain = !compression && !encryption;
    const values = inTurns(entries, ({ key, value }) =>
      isPlain && !isTransformed(value) ? undefined : this.#sealer.seal(key, value),
    );
    const withValues = (ready: (Uint8Array | undefined)[]) =>
      entries.map((entry, i) => {
        const value = ready[i];
        return value === undefined || value === entry.value ? entry : { ...entry, value };
      });
    return values instanceof Promise ? values.then(withValues) : withValues(values);
  }

  commit(entry: NewEntry, lease: Lease, options?: WriteCall): Awaitable<boolean> {
    const value = this.#sealer.seal(entry.key, entry.value);
    return value instanceof Promise
      ? value.then((ready) => this.#inner.commit({ ...entry, value: ready }, lease, options))
      : this.#inner.commit({ ...entry, value }, lease, options);
  }

  async atomic(steps: readonly AtomicStep[], options?: WriteCall): Promise<void> {
    const sets = steps.flatMap((step) => ("set" in step ? [step.set] : []));
    const sealed = (await this.#sealAll(sets)).values();
    const ready = steps.map((step): AtomicStep => ("set" in step ? { set: sealed.next().value ?? step.set } : step));
    await this.#inner.atomic(ready, options);
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    checkRange(options);
    const onUnreadable = (unreadable: Unreadable, version: string | undefined) =>
      this.#losses.forget(new Map([[key, { unreadable, version }]]));
    return openTransformed({ inner: this.#inner, sealer: this.#sealer, onUnreadable }, key, options);
  }

  async openWrite(head: Omit<NewEntry, "value">, options?: SetOptions): Promise<EntryWriter> {
    const inner = await this.#inner.openWrite(head, options);
    const sealing = this.#sealer.beginSegments(head.key, undefined, undefined);
    const writer = sealing
      ? await EncryptingWriter.begin(inner, sealing.header, sealing.segments)
      : new PlainWriter(inner);
    return new OrderedWriter(writer, head.key, options?.signal);
  }

  async describe(): Promise<BackendInfo> {
    const { compression, encryption } = this.#options;
    const info = await this.#inner.describe();
    const facts = {
      ...info.facts,
      ...(compression && { compression: compression.algorithm }),
      ...(encryption && { encryption: `aes-256-gcm with the key ${encryption.keys.writesWith}` }),
    };
    return { ...info, facts };
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): Awaitable<boolean[]> {
    return this.#inner.touchMany(changes, options);
  }

  deleteMany(keys: readonly string[], options?: KeyDeletion): Awaitable<boolean[]> {
    return this.#inner.deleteMany(keys, options);
  }

  deleteWhere(selector: Selector, options?: DeleteOptions): Promise<DeleteReport> {
    return this.#inner.deleteWhere(selector, options);
  }

  scan(selector: Selector, options?: ScanOptions): AsyncIterable<ScanPage> {
    return this.#inner.scan(selector, options);
  }

  count(deltas: Partial<Counters>): Awaitable<void> {
    return this.#inner.count(deltas);
  }

  counters(): Awaitable<CounterReport> {
    return this.#inner.counters();
  }

  resetCounters(): Awaitable<void> {
    return this.#inner.resetCounters();
  }

  ping(options?: Call): Promise<number> {
    return this.#inner.ping(options);
  }

  prune(): Promise<number> {
    return this.#inner.prune();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  announce(op: ChangeOp, selector: Selector, options?: WriteCall): Awaitable<void> {
    return this.#inner.announce(op, selector, options);
  }

  position(options?: Call): Awaitable<Position> {
    return this.#inner.position(options);
  }

  changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncIterable<ChangePage> {
    return this.#inner.changes(after, signal, idle);
  }

  lease(key: string, ms: number, options?: LeaseOptions): Awaitable<LeaseAnswer> {
    return this.#inner.lease(key, ms, options);
  }

  renew(lease: Lease, ms: number): Awaitable<boolean> {
    return this.#inner.renew(lease, ms);
  }

  release(lease: Lease): Awaitable<void> {
    return this.#inner.release(lease);
  }

  hottest(limit: number, options?: Call): Promise<string[]> {
    return this.#inner.hottest(limit, options);
  }
}

/** The longest array of this Node. */
const MOST = constants.MAX_LENGTH;
