import type { ChangeOp } from "../../changes.js";
import { checkKey } from "../../key.js";
import type { Selector } from "../../selector.js";
import type {
  AtomicStep,
  Backend,
  BackendContext,
  BackendInfo,
  Call,
  Capabilities,
  ChangePage,
  Counters,
  DeleteOptions,
  DeleteReport,
  EntryReader,
  EntryWriter,
  ForeignEntry,
  ForeignReader,
  KeyDeletion,
  Lease,
  LeaseAnswer,
  LeaseOptions,
  NamespaceKeeper,
  NewEntry,
  Position,
  RangeOptions,
  ReadOptions,
  ScanOptions,
  ScanPage,
  SetOptions,
  SetOutcome,
  Stored,
  Touch,
  WriteCall,
} from "../backend.js";
import { OrderedWriter } from "../streaming.js";
import { atomic } from "./atomic.js";
import { connect } from "./connect.js";
import type { Connection, ConnectionSettings } from "./connection.js";
import { CounterStore } from "./counters.js";
import { readForeign } from "./foreign.js";
import { hottest } from "./hottest.js";
import { describeStore } from "./info.js";
import { Leases } from "./lease.js";
import { Log } from "./log.js";
import { checkSpreads, Names } from "./names.js";
import { prunePieces } from "./piece-sweep.js";
import { pruneTags } from "./prune.js";
import { Reader } from "./read.js";
import { deleteWhere } from "./remove.js";
import { deleteMany } from "./remove-keys.js";
import { scan } from "./scan.js";
import { Scripts } from "./scripts.js";
import { type Store, untilAborted } from "./store.js";
import { openRead } from "./stream-read.js";
import { PieceWriter } from "./stream-write.js";
import { touchMany } from "./touch.js";
import { refuseWhenReadOnly, Writer } from "./write.js";

export interface RedisOptions extends BackendContext, ConnectionSettings {}

/**
 * Opens one Redis server (or one that speaks its protocol, from version 6). It is connected when the promise resolves.
 * @throws CacheError of kind `usage` (address), `authentication`, `connection` or `timeout`
 */
export async function openRedis(options: RedisOptions): Promise<Backend & ForeignReader> {
  const connection = await connect(options, options.clock);
  try {
    if (connection.clustered) checkSpreads(options.namespace);
    return new RedisBackend(connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class RedisBackend implements Backend, ForeignReader, NamespaceKeeper {
  readonly name = "redis";
  readonly capabilities: Capabilities;
  readonly #store: Store;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #log: Log;
  readonly #leases: Leases;
  readonly #counters: CounterStore;
  readonly #readOnly: boolean;

  constructor(connection: Connection, context: RedisOptions) {
    const { namespace, clock, readOnly = false } = context;
    this.#store = { connection, names: new Names(namespace), scripts: new Scripts(connection), clock };
    this.#reader = new Reader(this.#store);
    this.#log = new Log(this.#store, (commandTimeoutMs) =>
      connect({ ...context, connections: 1, commandTimeoutMs }, clock),
    );
    this.#writer = new Writer(this.#store, this.#log);
    this.#leases = new Leases(this.#store, this.#log);
    this.#counters = new CounterStore(this.#store, Math.random());
    this.#readOnly = readOnly;
    this.capabilities = {
      persistent: true,
      shared: true,
      repeatsInScan: true,
      keepsExpired: false,
      knowsAge: false,
      counts: namespace !== "",
    };
  }

  getMany(keys: readonly string[], options: ReadOptions = {}): Promise<(Stored | undefined)[]> {
    return this.#reader.getMany(keys, options);
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions = {}): Promise<SetOutcome[]> {
    refuseWhenReadOnly(this.#readOnly);
    return this.#writer.setMany(entries, options);
  }

  async touchMany(changes: readonly Touch[], options: WriteCall = {}): Promise<boolean[]> {
    refuseWhenReadOnly(this.#readOnly);
    return touchMany(this.#store, this.#log, changes, options);
  }

  async deleteMany(keys: readonly string[], options: KeyDeletion = {}): Promise<boolean[]> {
    refuseWhenReadOnly(this.#readOnly);
    return deleteMany(this.#store, this.#log, keys, options);
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    refuseWhenReadOnly(this.#readOnly);
    return deleteWhere(this.#store, this.#log, selector, options);
  }

  scan(selector: Selector, options: ScanOptions = {}): AsyncIterable<ScanPage> {
    return scan(this.#store, selector, options);
  }

  async count(deltas: Partial<Counters>): Promise<void> {
    if (!this.#readOnly) await this.#counters.count(deltas);
  }

  counters(): Promise<{ counters: Partial<Counters>; source: "cache" | "server" }> {
    return this.#counters.read();
  }

  async resetCounters(): Promise<void> {
    refuseWhenReadOnly(this.#readOnly);
    await this.#counters.reset();
  }

  async forgetNamespace(): Promise<void> {
    refuseWhenReadOnly(this.#readOnly);
    if (this.capabilities.counts) await this.#counters.reset();
    await this.#log.forget();
  }

  describe(): Promise<BackendInfo> {
    return describeStore(this.#store);
  }

  async announce(op: ChangeOp, selector: Selector, options: WriteCall = {}): Promise<void> {
    refuseWhenReadOnly(this.#readOnly);
    this.#store.connection.checkOpen();
    await untilAborted(this.#log.announce(this.#log.note(op, selector, options.origin)), options.signal);
  }

  async position(options: Call = {}): Promise<Position> {
    refuseWhenReadOnly(this.#readOnly);
    this.#store.connection.checkOpen();
    return untilAborted(this.#log.position(), options.signal);
  }

  changes(after: Position, signal: AbortSignal): AsyncIterable<ChangePage> {
    refuseWhenReadOnly(this.#readOnly);
    return this.#log.changes(after, signal);
  }

  async lease(key: string, ms: number, options: LeaseOptions = {}): Promise<LeaseAnswer> {
    refuseWhenReadOnly(this.#readOnly);
    return untilAborted(this.#leases.lease(key, ms, options), options.signal);
  }

  async renew(lease: Lease, ms: number): Promise<boolean> {
    refuseWhenReadOnly(this.#readOnly);
    return this.#leases.renew(lease, ms);
  }

  async release(lease: Lease): Promise<void> {
    refuseWhenReadOnly(this.#readOnly);
    await this.#leases.release(lease);
  }

  async commit(entry: NewEntry, lease: Lease, options: WriteCall = {}): Promise<boolean> {
    refuseWhenReadOnly(this.#readOnly);
    return untilAborted(this.#leases.commit(entry, lease, options), options.signal);
  }

  openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    return openRead(this.#store, this.#reader, key, options);
  }

  async openWrite(head: Omit<NewEntry, "value">, options: SetOptions = {}): Promise<EntryWriter> {
    refuseWhenReadOnly(this.#readOnly);
    this.#store.connection.checkOpen();
    checkKey(head.key);
    const writer = new PieceWriter(this.#store, this.#writer, this.#leases, head, options);
    return new OrderedWriter(writer, head.key, options.signal);
  }

  async atomic(steps: readonly AtomicStep[], options: WriteCall = {}): Promise<void> {
    refuseWhenReadOnly(this.#readOnly);
    await untilAborted(atomic(this.#store, this.#log, steps, options), options.signal);
  }

  hottest(limit: number, options: Call = {}): Promise<string[]> {
    return hottest(this.#store, limit, options);
  }

  ping(options: Call = {}): Promise<number> {
    return untilAborted(this.#store.connection.ping(), options.signal);
  }

  async prune(): Promise<number> {
    refuseWhenReadOnly(this.#readOnly);
    await prunePieces(this.#store);
    return pruneTags(this.#store);
  }

  readForeign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    return readForeign(this.#store, key, limit);
  }

  async close(): Promise<void> {
    await Promise.all([this.#log.close(), this.#store.connection.close()]);
  }
}
