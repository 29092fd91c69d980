import type BetterSqlite3 from "better-sqlite3";
import type { Database, FileIdentity } from "./database.js";

/** What a column can be bound to. */
export type Param = string | number | null | Uint8Array;
export type Statement<Result> = BetterSqlite3.Statement<Param[], Result>;

/** A value, its deadline and its id, or what stands for the value. */
export type ValueRow = [body: Uint8Array | string | number, expiresAt: number | null, id: number];

/** KiB of pages that a connection keeps, as the driver sets it, and those of them that stay when a large value goes through. */
const CACHE_KIB = 16_000;
const CACHE_KEPT_KIB = 2000;

/** One open database with its prepared statements. Rows come as arrays, which are cheaper than objects. */
export class Link {
  readonly db: Database;
  /** The file that was opened; undefined where there is none. */
  readonly identity: FileIdentity | undefined;
  /** The hottest statement of all, held here so that a read looks nothing up. */
  readonly value: Statement<ValueRow>;
  readonly #statements = new Map<string, Statement<unknown>>();
  readonly #begin: Statement<unknown>;
  readonly #beginRead: Statement<unknown>;
  readonly #commit: Statement<unknown>;
  readonly #rollback: Statement<unknown>;

  constructor(db: Database, identity: FileIdentity | undefined) {
    this.db = db;
    this.identity = identity;
    this.value = this.rows<ValueRow>(
      "SELECT b.body, e.expires_at, e.id FROM entries e JOIN bodies b ON b.id = e.id WHERE e.k = ?",
    );
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#beginRead = db.prepare("BEGIN");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
  }

  /** A statement that gives rows; prepared once. */
  rows<Row extends unknown[]>(sql: string): Statement<Row> {
    return this.#prepared(sql, () => this.db.prepare<Param[], Row>(sql).raw(true));
  }

  /** A statement that gives the first column of each row. */
  column<Value>(sql: string): Statement<Value> {
    return this.#prepared(sql, () => this.db.prepare<Param[], Value>(sql).pluck(true));
  }

  /** A statement that gives nothing. */
  action(sql: string): Statement<unknown> {
    return this.#prepared(sql, () => this.db.prepare<Param[], unknown>(sql));
  }

  #prepared<Result>(sql: string, prepare: () => Statement<Result>): Statement<Result> {
    let statement = this.#statements.get(sql) as Statement<Result> | undefined;
    if (statement === undefined) {
      statement = prepare();
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Keeps only the pages that were used last: a large value would fill the cache with what is not asked for again. Also within a transaction. */
  trimCache(): void {
    this.db.pragma(`cache_size = -${CACHE_KEPT_KIB}`);
    this.db.pragma(`cache_size = -${CACHE_KIB}`);
  }

  /** Runs `work`, which only reads, on the store as it is at one moment. */
  read<T>(work: () => T): T {
    return this.#transaction(this.#beginRead, work);
  }

  /**
   * Runs `work` in a transaction that takes the write lock at its beginning: one that took it in the middle would fail at once
   * where others write, and no waiting would help.
   */
  write<T>(work: () => T): T {
    return this.#transaction(this.#begin, work);
  }

  #transaction<T>(begin: Statement<unknown>, work: () => T): T {
    begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // A full disk or a damaged page may have ended the transaction already.
      if (this.db.inTransaction) this.#rollback.run();
      throw error;
    }
  }
}
