import Database from "better-sqlite3";
import { SOURCED } from "./records.js";

/** Where values come from before they are cached: a number for each key, which only grows. */
export class Source {
  readonly #database: Database.Database;
  readonly #read: Database.Statement<[string], number>;
  readonly #write: Database.Statement<[number, string]>;

  constructor(path: string) {
    this.#database = new Database(path, { timeout: 5000 });
    this.#database.pragma("journal_mode = WAL");
    this.#database.pragma("synchronous = OFF");
    this.#database.exec("CREATE TABLE IF NOT EXISTS source (key TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID");
    for (const key of SOURCED) this.#database.prepare("INSERT OR IGNORE INTO source VALUES (?, 0)").run(key);
    this.#read = this.#database.prepare<[string], number>("SELECT n FROM source WHERE key = ?").pluck();
    this.#write = this.#database.prepare<[number, string]>("UPDATE source SET n = ? WHERE key = ?");
  }

  read(key: string): number {
    return this.#read.get(key) ?? 0;
  }

  /** @param before told of the new number before anybody can see it */
  change(key: string, before: (n: number) => void): void {
    this.#database
      .transaction(() => {
        const n = this.read(key) + 1;
        before(n);
        this.#write.run(n, key);
      })
      .immediate();
  }

  close(): void {
    this.#database.close();
  }
}
