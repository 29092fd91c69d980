import { type DatabaseConstructor, identityOf, isSame } from "./database.js";
import { explain } from "./failures.js";
import { Link } from "./link.js";

/** Connections that wait for the next reader. */
const MOST_IDLE = 4;
/** KiB of pages that one keeps: what a value is made of is read once. */
const CACHE_KIB = 512;

/** Sees a store as it was at one moment, whatever is changed afterwards. It keeps the log of the database from being begun anew, so it should not be held for long. */
export interface Snapshot {
  link: Link;
  /** To be called once. */
  close(): void;
}

/** Connections for readers of large values, each for one at a time. To open one takes as long as reading some 20 pieces, so a few are kept. */
export class Snapshots {
  readonly #Sqlite: DatabaseConstructor;
  readonly #path: string;
  readonly #lockWaitMs: number;
  readonly #idle: Link[] = [];
  #isClosed = false;

  /** @param lockWaitMs milliseconds to wait for a lock, synchronously */
  constructor(Sqlite: DatabaseConstructor, path: string, lockWaitMs: number) {
    this.#Sqlite = Sqlite;
    this.#path = path;
    this.#lockWaitMs = lockWaitMs;
  }

  /** Of the file that the path leads to now. @throws CacheError */
  take(): Snapshot {
    try {
      const link = this.#kept() ?? this.#open();
      try {
        link.db.exec("BEGIN");
      } catch (error) {
        link.db.close();
        throw error;
      }
      return { link, close: () => this.#giveBack(link) };
    } catch (error) {
      throw explain(error, this.#path);
    }
  }

  #kept(): Link | undefined {
    const there = identityOf(this.#path);
    for (let one = this.#idle.pop(); one !== undefined; one = this.#idle.pop()) {
      if (isSame(one.identity, there)) return one;
      one.db.close();
    }
    return undefined;
  }

  #open(): Link {
    const identity = identityOf(this.#path);
    const db = new this.#Sqlite(this.#path, { readonly: true, fileMustExist: true, timeout: this.#lockWaitMs });
    try {
      db.pragma(`cache_size = -${CACHE_KIB}`);
      return new Link(db, identity);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #giveBack(link: Link): void {
    const { db } = link;
    if (this.#isClosed || this.#idle.length >= MOST_IDLE) return void db.close();
    try {
      db.exec("COMMIT");
      this.#idle.push(link);
    } catch {
      // Its file is damaged, of which its reader was told; the next one gets another connection.
      db.close();
    }
  }

  /** Those that are in use are closed by their readers. */
  close(): void {
    this.#isClosed = true;
    for (const { db } of this.#idle.splice(0)) db.close();
  }
}
