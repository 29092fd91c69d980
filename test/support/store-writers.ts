import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { tempDir } from "./temp-dir.js";

/** Bundles a program of the tests, so that plain Node runs it; gives its path. */
export async function bundled(name: string): Promise<string> {
  const outfile = join(tempDir("program"), `${name}.mjs`);
  const sqlite = createRequire(import.meta.url).resolve("better-sqlite3");
  await build({
    entryPoints: [join(dirname(fileURLToPath(import.meta.url)), `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    alias: { "better-sqlite3": sqlite },
    external: [sqlite],
    // ioredis is CommonJS and asks for modules of Node. The names are the banner's own: what is bundled has its imports beside it.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    logLevel: "error",
  });
  return outfile;
}

/** A running store-writer.ts and what it has acknowledged. */
export class StoreWriter {
  readonly #child: ChildProcess;
  #text = "";
  readonly #ended: Promise<unknown>;

  constructor(program: string, kind: string, path: string, name: string, count: number) {
    this.#child = spawn(process.execPath, [program, kind, path, name, String(count)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#ended = once(this.#child, "close");
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
    });
  }

  /** Whole lines so far. */
  get lines(): string[] {
    return this.#text.split("\n").slice(0, -1);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves with the exit code, null after a kill, when all output was read. */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }
}

/** A running store-actor.ts. */
export class StoreActor {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(program: string, kind: string, path: string, role: "set" | "lease" | "stream") {
    this.#child = spawn(process.execPath, [program, kind, path, role]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static async start(
    program: string,
    kind: string,
    path: string,
    role: "set" | "lease" | "stream",
  ): Promise<StoreActor> {
    const actor = new StoreActor(program, kind, path, role);
    if ((await actor.#answer()) !== "ready") throw new Error("the actor did not start");
    return actor;
  }

  /** Has it act; what it answers when it is done. */
  async act(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    return this.#answer();
  }

  async #answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    return done === true ? "" : value;
  }

  /** Kills it, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }
}
