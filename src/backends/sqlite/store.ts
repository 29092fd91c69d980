import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { Awaitable, BackendContext } from "../backend.js";
import {
  type Database,
  type DatabaseConstructor,
  type DatabaseOptions,
  type FileIdentity,
  identityOf,
  isSame,
  openDatabase,
} from "./database.js";
import { checkSignal, closedError, explain, isBusy, isCorruption, readOnlyError } from "./failures.js";
import { Link } from "./link.js";
import { LogKeeper } from "./log-keeper.js";
import { checkDamaged, quarantine } from "./quarantine.js";
import { Snapshots } from "./snapshots.js";

/** Milliseconds between two tries to open what others are making at the same moment. */
const OPEN_RETRY_MS = 10;
/** Milliseconds between two tries to write, at most: long enough for others to be through, and never the same for two who wait. */
const WRITE_RETRY_MS = 8;

/** Pages of the log (4 KiB each) whose way into the database keeps an event loop for some milliseconds only. */
const SMALL_PART_PAGES = 500;

/** How a database is opened, and how its lock is waited for. */
export interface StoreSettings extends DatabaseOptions {
  /** Milliseconds to wait for a lock that another process holds, in all. */
  busyTimeoutMs: number;
  /** Wait for the most of it without keeping the event loop, and keep the log small. */
  patient: boolean;
}

/** Another process put another file in the place of the one that was being opened. */
class FileChanged extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** The one place that holds the open database: it opens, replaces what is damaged, turns failures into `CacheError`s, and closes. */
export class Store {
  readonly clock: Clock;
  readonly path: string;
  readonly readOnly: boolean;
  /** Milliseconds that SQLite waits for a lock, synchronously. */
  readonly lockWaitMs: number;
  readonly snapshots: Snapshots;
  readonly #busyTimeoutMs: number;
  readonly #Sqlite: DatabaseConstructor;
  readonly #options: DatabaseOptions;
  readonly #context: BackendContext;
  readonly #keeper: LogKeeper | undefined;
  #link: Link | undefined;

  private constructor(Sqlite: DatabaseConstructor, options: StoreSettings, context: BackendContext) {
    this.#Sqlite = Sqlite;
    this.#options = options;
    this.#context = context;
    this.clock = context.clock;
    this.path = options.path;
    this.readOnly = options.readOnly;
    this.lockWaitMs = options.lockWaitMs;
    this.snapshots = new Snapshots(Sqlite, options.path, options.lockWaitMs);
    this.#busyTimeoutMs = options.busyTimeoutMs;
    this.#keeper =
      options.patient && !options.readOnly ? new LogKeeper(options.path, () => this.#takeInPassing()) : undefined;
  }

  /** @throws CacheError whatever {@link openDatabase} refuses, `store-busy`, `store-permission`, `disk-full`, … */
  static async open(options: StoreSettings, context: BackendContext): Promise<Store> {
    const { default: Sqlite } = await import("better-sqlite3");
    const store = new Store(Sqlite, options, context);
    const { clock } = context;
    const deadline = clock.monotonic() + options.busyTimeoutMs;
    for (;;) {
      try {
        store.#link = store.#connect();
        return store;
      } catch (error) {
        // Making a log takes a lock for which SQLite does not wait by itself, and a file that others move aside can't be opened.
        if (!(isBusy(error) || error instanceof FileChanged) || clock.monotonic() >= deadline)
          throw explain(error, options.path);
      }
      await clock.sleep(OPEN_RETRY_MS * (1 + Math.random()));
    }
  }

  /** @throws CacheError `closed` */
  get link(): Link {
    if (this.#link === undefined) throw closedError(this.path);
    return this.#link;
  }

  get isClosed(): boolean {
    return this.#link === undefined;
  }

  /** @throws CacheError `closed`, `read-only` */
  checkWritable(): void {
    if (this.#link === undefined) throw closedError(this.path);
    if (this.readOnly) throw readOnlyError(this.path);
  }

  /**
   * Runs `work` on the open database. Where that proves to be damaged, a new one takes its place and the work is done there.
   * @throws CacheError
   */
  run<T>(work: (link: Link) => T): T {
    const link = this.link;
    try {
      return work(link);
    } catch (error) {
      const fresh = this.replaceDamaged(error, link);
      try {
        return work(fresh);
      } catch (second) {
        throw explain(second, this.path);
      }
    }
  }

  /** {@link run} in one write transaction. */
  write<T>(work: (link: Link) => T): T {
    return this.run((link) => link.write(() => work(link)));
  }

  /**
   * {@link write}; where another process holds the lock for longer than SQLite waits for it, again and again until the time for it is over, without
   * keeping the event loop.
   * @throws CacheError `store-busy`, and what the signal says
   */
  change<T>(work: (link: Link) => T, signal?: AbortSignal): Awaitable<T> {
    if (this.#keeper === undefined) return this.write(work);
    const start = this.clock.monotonic();
    try {
      return this.#writeAndTend(work, this.#keeper);
    } catch (error) {
      if (!isBusy(error)) throw error;
      return this.#again(work, this.#keeper, start + this.#busyTimeoutMs, signal);
    }
  }

  /** The answer waits with the writer where the log has grown too large. */
  #writeAndTend<T>(work: (link: Link) => T, keeper: LogKeeper): Awaitable<T> {
    const result = this.write(work);
    const restMs = keeper.tend();
    // Real time, since it is the disk's.
    return restMs === 0 ? result : pause(restMs, result);
  }

  async #again<T>(
    work: (link: Link) => T,
    keeper: LogKeeper,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (;;) {
      await pause(1 + Math.random() * WRITE_RETRY_MS);
      checkSignal(signal);
      try {
        return await this.#writeAndTend(work, keeper);
      } catch (error) {
        if (!isBusy(error) || this.clock.monotonic() >= deadline) throw error;
      }
    }
  }

  /** Runs `work` with another time for SQLite to wait for a lock, in milliseconds. */
  waiting<T>(ms: number, work: (link: Link) => T): T {
    const { link } = this;
    link.db.pragma(`busy_timeout = ${ms}`);
    try {
      return work(link);
    } finally {
      if (link.db.open) link.db.pragma(`busy_timeout = ${this.lockWaitMs}`);
    }
  }

  /** Runs `work` on one of {@link snapshots}. @throws CacheError */
  reading<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(error, this.path);
    }
  }

  /** Goes over to the file that the path leads to by now, where another process has put a new one there; true if it did. */
  followPath(): boolean {
    const link = this.link;
    const there = identityOf(this.path);
    if (link.identity === undefined || there === undefined || isSame(there, link.identity)) return false;
    try {
      this.#link = this.#connect();
      this.#closeDatabase(link.db);
      return true;
    } catch (error) {
      throw explain(error, this.path);
    }
  }

  /**
   * A new database instead of the one that `error` shows to be damaged.
   * @throws CacheError for an error that shows no damage, or when nothing may be moved
   */
  replaceDamaged(error: unknown, link: Link): Link {
    if (!isCorruption(error) || this.readOnly) throw explain(error, this.path);
    if (link !== this.#link) return this.link;
    try {
      this.#setAside(error, link.identity);
      const fresh = this.#connect();
      this.#link = fresh;
      this.#closeDatabase(link.db);
      return fresh;
    } catch (failure) {
      throw explain(failure, this.path);
    }
  }

  /** Without a thread the log is taken into the database by whoever commits, in small parts. */
  #takeInPassing(): void {
    this.#link?.db.pragma(`wal_autocheckpoint = ${SMALL_PART_PAGES}`);
  }

  /** Ends what is done in a thread. */
  async stop(): Promise<void> {
    await this.#keeper?.close();
  }

  /** Closes the database; SQLite takes the log into it where this was the last connection. */
  close(): void {
    const link = this.#link;
    this.#link = undefined;
    if (link === undefined) return;
    this.snapshots.close();
    try {
      link.db.close();
    } catch (error) {
      throw explain(error, this.path);
    }
  }

  /** Opens the database; one that is damaged is moved aside first. */
  #connect(): Link {
    const identity = identityOf(this.path);
    try {
      return this.#openLink(identity);
    } catch (error) {
      if (isCorruption(error) && !this.readOnly) return this.#openLink(identityOf(this.path));
      // What went wrong with a file that is no longer there says nothing of the one that is.
      if (identity !== undefined && !isSame(identityOf(this.path), identity)) throw new FileChanged(error);
      throw error;
    }
  }

  #openLink(before: FileIdentity | undefined): Link {
    const setAside = (error: unknown) => {
      if (!isCorruption(error)) return;
      if (before !== undefined && isSame(identityOf(this.path), before))
        checkDamaged(this.path, this.#options.applicationId);
      if (!this.readOnly) this.#setAside(error, before);
    };
    const db = openDatabase(this.#Sqlite, this.#options, setAside);
    try {
      const identity = identityOf(this.path);
      // The file that a damage is found in later must be known for sure, or a sound one would be moved aside.
      if (before !== undefined && !isSame(before, identity)) throw new FileChanged("the file was replaced");
      return new Link(db, identity);
    } catch (error) {
      setAside(error);
      db.close();
      throw error;
    }
  }

  #setAside(error: unknown, identity: FileIdentity | undefined): void {
    const place = identity && quarantine(this.path, identity, this.clock);
    if (place === undefined) return;
    this.#context.emit({
      type: "warning",
      code: "store-quarantined",
      message: `the store ${this.path} was damaged (${messageOf(error)}); it was moved to ${place} and a new, empty one was begun`,
      hint: "Fill the cache again; remove the damaged file when nobody needs it.",
    });
  }

  /** A damaged database may fail to close too, which says nothing new. */
  #closeDatabase(db: Database): void {
    try {
      db.close();
    } catch (error) {
      if (!isCorruption(error)) throw error;
    }
  }
}
