import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { bundled } from "../support/store-writers.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const PROCESSES = 8;
const CALLERS = 50;

let program: string;
let redis: RedisServer;
beforeAll(async () => {
  program = await bundled("store-loader");
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** A running store-loader.ts. */
class Loader {
  readonly #child: ChildProcess;
  #text = "";

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
    });
  }

  get lines(): string[] {
    return this.#text.split("\n").slice(0, -1);
  }

  ready(): Promise<unknown> {
    return until(() => this.lines.includes("ready"), { timeoutMs: 20_000 });
  }

  go(): void {
    this.#child.stdin?.write("go\n");
  }

  async kill(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }

  async end(): Promise<{ values: number[]; got: number; loading: Record<string, number> }> {
    const done = await until(() => this.lines.find((line) => line.startsWith("done ")), { timeoutMs: 20_000 });
    if (this.#child.exitCode === null) await once(this.#child, "close");
    return JSON.parse(done.slice("done ".length));
  }
}

describe.each(["sqlite", "redis"])("on %s", (kind) => {
  const place = () => (kind === "redis" ? redis.url : `${tempDir("loads")}/c.db`);

  test.concurrent(`${PROCESSES} processes with ${CALLERS} callers each make one load`, async () => {
    const where = place();
    const loaders = Array.from({ length: PROCESSES }, () => new Loader(kind, where, "one", String(CALLERS), "400"));
    await Promise.all(loaders.map((loader) => loader.ready()));
    for (const loader of loaders) loader.go();
    const results = await Promise.all(loaders.map((loader) => loader.end()));
    expect(results.map(({ got }) => got)).toEqual(Array(PROCESSES).fill(CALLERS));
    expect(loaders.flatMap((loader) => loader.lines).filter((line) => line === "load")).toHaveLength(1);
    expect(new Set(results.flatMap(({ values }) => values)).size).toBe(1);
    expect(results.reduce((sum, { loading }) => sum + (loading.storeFailures ?? 0), 0)).toBe(0);
  });

  test.concurrent("a process that dies while it loads hinders the others no longer than its lease", async () => {
    const where = place();
    const [dying, other] = [new Loader(kind, where, "two", "1", "60000"), new Loader(kind, where, "two", "5", "10")];
    await Promise.all([dying.ready(), other.ready()]);
    dying.go();
    await until(() => dying.lines.includes("load"));
    const start = performance.now();
    other.go();
    await dying.kill();
    const { got, loading } = await other.end();
    expect(got).toBe(5);
    expect(loading.waitedOut).toBe(0);
    expect(performance.now() - start).toBeLessThan(7000);
  });
});
