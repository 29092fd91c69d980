import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type CliOptions, type CliResult, runCli } from "./run-cli.js";
import { tempDir } from "./temp-dir.js";

type Options = Omit<CliOptions, "cwd">;

/** A row of the store file, asked for with its own client. */
export interface Row {
  key: string;
  value: Buffer;
  /** Epoch milliseconds, null = never. */
  expiresAt: number | null;
  tags: string[];
}

/** An empty folder with a store in it, and the command line run there. */
export class Workspace {
  readonly cwd = tempDir("work");
  readonly store: string;

  /** @param store default an SQLite file in the folder */
  constructor(store = "sqlite:./c.db") {
    this.store = store;
  }

  /** Runs `cache` on the workspace's store; any exit code is a result. */
  run(argv: readonly string[], options: Options = {}): Promise<CliResult> {
    const end = argv.indexOf("--");
    const at = end < 0 ? argv.length : end;
    return this.bare([...argv.slice(0, at), "-s", this.store, ...argv.slice(at)], options);
  }

  /** Runs `cache` without naming a store. */
  bare(argv: readonly string[], options: Options = {}): Promise<CliResult> {
    return runCli(argv, { cwd: this.cwd, ...options });
  }

  /** Runs it and throws unless it exits 0. */
  async ok(argv: readonly string[], options?: Options): Promise<CliResult> {
    const result = await this.run(argv, options);
    if (result.code !== 0)
      throw new Error(`cache ${argv.join(" ")} exited ${result.code}: ${result.stderr}${result.stdout}`);
    return result;
  }

  path(name: string): string {
    return join(this.cwd, name);
  }

  write(name: string, content: string | Uint8Array, mode = 0o666): string {
    writeFileSync(this.path(name), content, { mode });
    return this.path(name);
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  /** Every entry in the SQLite store, by key; those that are hidden or expired are told by the columns. */
  rows(file = "c.db"): Row[] {
    const database = new Database(this.path(file), { readonly: true });
    try {
      const found: unknown[] = database
        .prepare("SELECT k, body, expires_at, tags FROM entries JOIN bodies USING (id) ORDER BY k")
        .raw()
        .all();
      return found.map((row) => {
        if (!Array.isArray(row) || !Buffer.isBuffer(row[1])) throw new Error("the store has another layout");
        const tags: unknown = row[3] === null ? [] : JSON.parse(String(row[3]));
        return {
          key: String(row[0]),
          value: row[1],
          expiresAt: typeof row[2] === "number" ? row[2] : null,
          tags: Array.isArray(tags) ? tags.map(String) : [],
        };
      });
    } finally {
      database.close();
    }
  }

  /** The keys in the SQLite store, in order. */
  keys(file?: string): string[] {
    return this.rows(file).map(({ key }) => key);
  }

  row(key: string): Row | undefined {
    return this.rows().find((row) => row.key === key);
  }
}
