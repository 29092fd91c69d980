import { copyFileSync, cpSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Pty, runInPty } from "./pty.js";
import { type RedisServer, startRedis } from "./redis-server.js";
import { type BinaryResult, runShell, shellArguments } from "./run-binary.js";
import { tempDir } from "./temp-dir.js";

/** Addresses that examples are written with; each stands for a server of the test. */
const REDIS = "127.0.0.1:6379";
const WEB = "https://example.com/";

const EXAMPLES = join(import.meta.dirname, "../../examples");

/** What examples find: the project's `examples/`, files that they name, and a default store with entries in it. */
const ENTRIES = `set -e
cache warm -q examples/products.json examples/pages.json examples/sessions.ndjson
cache set -q logo.png --file logo.png --tag products
cache set -q session:1:tmp 1
cache set -q product:1:price 39
cache set -q setting 1 --namespace app
`;

/**
 * Runs what help and README show, as a reader would: with the built binary, in a copy of `examples/`, with a home folder of its own. A Redis on
 * the usual port and `https://example.com/` are servers of the test.
 */
export class ExampleFolder {
  readonly #redis: RedisServer;
  readonly #web: Server;
  readonly #template: string;

  private constructor(redis: RedisServer, web: Server, template: string) {
    this.#redis = redis;
    this.#web = web;
    this.#template = template;
  }

  static async create(): Promise<ExampleFolder> {
    const redis = await startRedis();
    const web = createServer((_request, response) => {
      response.setHeader("Content-Type", "application/json");
      response.end('{"a": 1, "b": {"c": 2}}');
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const template = tempDir("examples");
    const folder = new ExampleFolder(redis, web, template);
    cpSync(EXAMPLES, join(template, "examples"), { recursive: true });
    writeFileSync(join(template, "logo.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]));
    const records = Array.from({ length: 100 }, (_, i) => `{"key": "big:${i}", "value": ${i}}\n`).join("");
    writeFileSync(join(template, "big.ndjson.gz"), gzipSync(records));
    writeFileSync(join(template, "log.ndjson"), records);
    const made = await runShell(ENTRIES, { cwd: template, env: { HOME: template } });
    if (made.code !== 0) throw new Error(`the entries for examples could not be made: ${made.stderr}`);
    return folder;
  }

  /** Runs a script in a fresh copy; it ends at its first command that fails, in a pipe too. */
  async run(script: string): Promise<BinaryResult> {
    const { cwd, here } = this.#prepare(script);
    return runShell(here, { cwd, env: { HOME: cwd, NO_COLOR: "1" } });
  }

  /** The same in a terminal, for what waits for somebody at one. @returns the terminal, and the folder that it is in */
  runInTerminal(script: string): { terminal: Pty; cwd: string } {
    const { cwd, here } = this.#prepare(script);
    return { terminal: runInPty("bash", shellArguments(here), { cwd, env: { HOME: cwd, NO_COLOR: "1" } }), cwd };
  }

  #prepare(script: string): { cwd: string; here: string } {
    const cwd = tempDir("example");
    cpSync(this.#template, cwd, { recursive: true });
    // A config file there would name another store for every other example.
    if (script.includes("cache.config.json") || script.includes("--profile")) {
      copyFileSync(join(EXAMPLES, "cache.config.json"), join(cwd, "cache.config.json"));
    }
    const address = this.#web.address();
    const web = typeof address === "object" && address ? `http://127.0.0.1:${address.port}/` : WEB;
    const here = script
      .replaceAll(REDIS, `127.0.0.1:${this.#redis.port}`)
      .replaceAll(WEB, web)
      // A server would run on: that it would run is seen without.
      .replaceAll(/^cache serve(?! token)(?!.* --(?:explain|check-config)).*$/gm, "$& --check-config");
    return { cwd, here: `set -euo pipefail\n${here}` };
  }

  async close(): Promise<void> {
    await this.#redis.stop();
    await new Promise((resolve) => this.#web.close(resolve));
  }
}

export interface ShellBlock {
  /** Of its first line, from 1. */
  line: number;
  script: string;
}

/** The blocks of a Markdown text that are marked as `sh`, without the `$ ` of prompts. */
export function shellBlocks(markdown: string): ShellBlock[] {
  const blocks: ShellBlock[] = [];
  for (const match of markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)) {
    const line = markdown.slice(0, match.index).split("\n").length + 1;
    blocks.push({ line, script: (match[1] ?? "").replaceAll(/^\$ /gm, "") });
  }
  return blocks;
}
