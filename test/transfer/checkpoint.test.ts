import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CacheError } from "../../src/errors.js";
import type { WarmTarget } from "../../src/transfer/batch-writer.js";
import { type WarmOptions, warm } from "../../src/transfer/warm.js";
import { WarmError } from "../../src/transfer/warm-report.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { contents, memoryCache } from "./caches.js";

const COUNT = 1000;
const numbers = Array.from({ length: COUNT }, (_, i) => i);
const record = (i: number) => `{"key":"k${i}","value":"${"é".repeat(i % 9)}${i}"}`;
const TEXTS = {
  "in.ndjson": numbers.map((i) => `${record(i)}\n`).join(""),
  "array.json": `[\n${numbers.map(record).join(" ,\n")}\n]\n`,
  "object.json": `\ufeff{${numbers.map((i) => `"k${i}": "${"é".repeat(i % 9)}${i}"`).join(",\r\n")}}`,
};

/** Fails at the n-th batch and after, and remembers what was written how often. */
function failingAfter(
  cache: ReturnType<typeof memoryCache>,
  batches: number,
  written: Map<string, number>,
): WarmTarget {
  let count = 0;
  return {
    clock: cache.clock,
    readMany: (keys, options) => cache.readMany(keys, options),
    writeMany: async (entries, options) => {
      count += 1;
      const mine = count;
      for (let i = (mine * 3) % 4; i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
      if (mine > batches) throw new CacheError("connection", "gone", "gone");
      for (const { key } of entries) written.set(key, (written.get(key) ?? 0) + 1);
      return cache.writeMany(entries, options);
    },
  };
}

function setUp(text: string | Buffer, name: string): { path: string; checkpoint: { path: string; target: string } } {
  const dir = tempDir();
  writeFileSync(join(dir, name), text);
  return { path: join(dir, name), checkpoint: { path: join(dir, "state.json"), target: "memory" } };
}

describe.each(Object.entries(TEXTS))("%s", (name, text) => {
  it.each([false, true])("goes on after failures with nothing left out, compressed: %s", async (compressed) => {
    const { path, checkpoint } = compressed ? setUp(gzipSync(text), `${name}.gz`) : setUp(text, name);
    const cache = memoryCache();
    const options: WarmOptions = { checkpoint, batchSize: 10, concurrency: 3 };
    const times = new Map<string, number>();
    let runs = 0;
    for (;;) {
      runs += 1;
      try {
        const report = await warm(failingAfter(cache, 7 + runs, times), [path], options);
        expect(report).toMatchObject({ read: COUNT, stored: COUNT, rejected: 0 });
        expect(report.resumedFrom?.offset).toBeGreaterThan(0);
        break;
      } catch (error) {
        if (!(error instanceof WarmError)) throw error;
        expect(error.code).toBe("gone");
        expect(statSync(checkpoint.path).mode & 0o777).toBe(0o600);
      }
    }
    expect(runs).toBeGreaterThan(5);
    const held = await contents(cache);
    expect(Object.keys(held)).toHaveLength(COUNT);
    for (const i of numbers) expect(held[`k${i}`]).toBe(`${"é".repeat(i % 9)}${i}`);
    const again = [...times.values()].reduce((sum, n) => sum + n - 1, 0);
    expect(again).toBeLessThanOrEqual((runs - 1) * 30);
    expect(readdirSync(dirname(checkpoint.path))).toEqual([compressed ? `${name}.gz` : name]);
  });
});

describe("a run that was interrupted", () => {
  async function interrupted(name: keyof typeof TEXTS = "in.ndjson", text = TEXTS[name]) {
    const { path, checkpoint } = setUp(text, name);
    const cache = memoryCache();
    const controller = new AbortController();
    const report = await warm(cache, [path], {
      checkpoint,
      batchSize: 10,
      signal: controller.signal,
      onProgress: ({ records }) => records >= 200 && controller.abort(),
    });
    expect(report.interrupted).toBe(true);
    expect(existsSync(checkpoint.path)).toBe(true);
    return { path, checkpoint, cache, report };
  }

  it("goes on exactly where it stopped", async () => {
    const { path, checkpoint, cache, report } = await interrupted();
    const second = memoryCache();
    const rest = await warm(second, [path], { checkpoint, batchSize: 10 });
    expect(rest).toMatchObject({ read: COUNT, stored: COUNT, interrupted: false });
    expect(rest.resumedFrom).toMatchObject({ line: report.read + 1 });
    expect(Object.keys({ ...(await contents(cache)), ...(await contents(second)) })).toHaveLength(COUNT);
    expect(Object.keys(await contents(second))).toHaveLength(COUNT - report.read);
    expect(existsSync(checkpoint.path)).toBe(false);
  });

  it("says line and offset as of the whole file when it goes on", async () => {
    const text = TEXTS["array.json"].replace('"key":"k999"', '"key"?"k999"');
    const { path, checkpoint } = await interrupted("array.json", text);
    const offset = Buffer.from(text).indexOf("?");
    const error = await warm(memoryCache(), [path], { checkpoint }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: expect.stringContaining(`(line 1001, column 7, byte ${offset})`) });
  });

  it("refuses to go on when the source, the settings or the store are others", async () => {
    const { path, checkpoint } = await interrupted();
    const code = (sources: string[], options: WarmOptions) =>
      warm(memoryCache(), sources, options).then(
        () => "none",
        (error: CacheError) => error.code,
      );
    expect(await code([path], { checkpoint, prefix: "x:" })).toBe("checkpoint-of-another-run");
    expect(await code([path], { checkpoint: { ...checkpoint, target: "another" } })).toBe("checkpoint-of-another-run");
    expect(await code([path, path], { checkpoint })).toBe("checkpoint-of-another-run");
    appendFileSync(path, "\n");
    expect(await code([path], { checkpoint })).toBe("checkpoint-source-changed");
    for (const damaged of ["", "{", "{}", '{"schema":"cache.warm-checkpoint/1"}', "[]", "null"]) {
      writeFileSync(checkpoint.path, damaged);
      expect(await code([path], { checkpoint })).toBe("invalid-checkpoint");
    }
    expect(await code([path], { checkpoint: { ...checkpoint, path: dirname(path) } })).toBe("invalid-checkpoint");
  });

  it("goes on in the second of several sources", async () => {
    const { path, checkpoint } = setUp(TEXTS["in.ndjson"], "in.ndjson");
    const other = join(dirname(path), "more.json");
    writeFileSync(other, `{${numbers.map((i) => `"m${i}":${i}`).join(",")}}`);
    const cache = memoryCache();
    const times = new Map<string, number>();
    const options: WarmOptions = { checkpoint, batchSize: 10, concurrency: 3 };
    await expect(warm(failingAfter(cache, 130, times), [path, other], options)).rejects.toBeInstanceOf(WarmError);
    const report = await warm(failingAfter(cache, 1000, times), [path, other], options);
    expect(report).toMatchObject({ stored: 2 * COUNT, resumedFrom: { source: other } });
    expect(Object.keys(await contents(cache))).toHaveLength(2 * COUNT);
    expect(times.get("k0")).toBe(1);
  });

  it("is an error of the run when the checkpoint can't be written", async () => {
    const { path, checkpoint } = setUp(TEXTS["in.ndjson"], "in.ndjson");
    const nowhere = { ...checkpoint, path: join(dirname(path), "missing", "state.json") };
    await expect(warm(memoryCache(), [path], { checkpoint: nowhere })).rejects.toMatchObject({
      code: "checkpoint-not-written",
    });
  });
});

describe("kill -9 at random moments", () => {
  let server: RedisServer;
  let program: string;
  const total = 60_000;

  beforeAll(async () => {
    server = await startRedis();
    const root = `${import.meta.dirname}/../..`;
    // Below node_modules, so that it finds the client that is not bundled.
    program = join(root, "node_modules", ".cache", `warm-child-${server.port}.mjs`);
    await build({
      stdin: {
        contents: `
          import { systemClock } from "./src/clock.js";
          import { Cache } from "./src/cache/cache.js";
          import { openRedis } from "./src/backends/redis/index.js";
          import { warm } from "./src/transfer/warm.js";
          const [url, path, state] = process.argv.slice(2);
          const backend = await openRedis({ url, namespace: "", clock: systemClock, emit: () => {} });
          const cache = new Cache(backend, { clock: systemClock, countInterval: 0 });
          await warm(cache, [path], { checkpoint: { path: state, target: "t" }, batchSize: 200 });
          await cache.close();
        `,
        resolveDir: root,
        loader: "ts",
      },
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["ioredis"],
      outfile: program,
    });
  });
  afterAll(async () => {
    rmSync(program, { force: true });
    await server.stop();
  });

  const exit = (child: ChildProcess) =>
    new Promise<number | null>((resolve) => {
      child.on("exit", (code) => resolve(code));
    });

  it("ends with every record in the store", async () => {
    const dir = tempDir();
    const [path, state] = [join(dir, "in.ndjson"), join(dir, "state.json")];
    writeFileSync(path, Array.from({ length: total }, (_, i) => `{"key":"k${i}","value":${i}}\n`).join(""));
    let kills = 0;
    for (;;) {
      const child = spawn(process.execPath, [program, server.url, path, state], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const ended = exit(child);
      const before = existsSync(state) ? readFileSync(state, "utf8") : "";
      if (kills < 5) {
        const moved = () => child.exitCode !== null || (existsSync(state) && readFileSync(state, "utf8") !== before);
        await until(moved, { everyMs: 1, timeoutMs: 20_000 });
        for (let i = Math.floor(Math.random() * 5); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
        child.kill("SIGKILL");
        kills += 1;
      }
      const code = await ended;
      if (code === 0) break;
      expect(code).toBeNull();
    }
    expect(kills).toBeGreaterThan(1);
    expect(Number(await redisCli(server, "DBSIZE"))).toBe(total);
    expect((await redisCli(server, "GET", `k${total - 1}`)).trim()).toBe(String(total - 1));
    expect(existsSync(state)).toBe(false);
  });
});
