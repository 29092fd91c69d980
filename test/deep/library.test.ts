import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");

/** A project that has the package, and what the examples need, as npm installs them: from the tarball and from the registry. */
let folder: string;
let redis: RedisServer;

beforeAll(async () => {
  const packed = tempDir("pack");
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", packed], { cwd: ROOT });
  // The build of `prepare` may speak before npm does.
  const [{ filename }]: [{ filename: string }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
  folder = tempDir("project");
  cpSync(join(ROOT, "examples/web"), folder, { recursive: true });
  const packages = [join(packed, filename), "typescript", "@types/node@20"];
  await run("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder });
  redis = await startRedis();
  return () => redis.stop();
}, 600_000);

test("a new TypeScript project has a cache in five lines", async () => {
  const [, lines = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
  writeFileSync(join(folder, "five.ts"), lines);
  const options = ["--module", "nodenext", "--target", "es2022", "--strict", "--types", "node"];
  await run("npx", ["tsc", ...options, "five.ts"], { cwd: folder });
  expect((await run(process.execPath, ["five.js"], { cwd: folder })).stdout).toBe("{ name: 'Ada' }\n");
  const shown = await run("npx", ["cache", "get", "user:1", "--store", "sqlite:./cache.db"], { cwd: folder });
  expect(shown.stdout).toContain("Ada");
});

async function started(file: string): Promise<{ url: string; server: ChildProcess }> {
  const env = { PATH: process.env.PATH, PORT: "0", CACHE_STORE: redis.url };
  const server = spawn(process.execPath, [file], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void server.kill("SIGKILL"));
  let said = "";
  server.stdout.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const [url = ""] = await until(() => /http:\/\/\S+/.exec(said), { timeoutMs: 20_000 });
  return { url, server };
}

test.each(["express.js", "fastify.js"])(
  "%s asks its database once for many, and shows a change at once",
  async (file) => {
    await redisCli(redis, "FLUSHALL");
    const { url, server } = await started(file);
    const queries = async (): Promise<unknown> => (await fetch(new URL("/queries", url))).json();
    const answers = await Promise.all(Array.from({ length: 50 }, async () => (await fetch(url)).json()));
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"id":"1","name":"Desk lamp","price":39}']),
    );
    expect(await queries()).toEqual({ queries: 1 });
    expect(await redisCli(redis, "GET", "shop:product:1")).toContain("Desk lamp");
    const changed = await fetch(`${url}/price`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: '{"price":45}',
    });
    expect(changed.status).toBe(204);
    expect(await (await fetch(url)).json()).toMatchObject({ price: 45 });
    for (let i = 0; i < 3; i++) expect((await fetch(new URL("/products/none", url))).status).toBe(404);
    expect(await queries()).toEqual({ queries: 3 });
    server.kill("SIGTERM");
    await until(() => server.exitCode !== null || server.signalCode !== null);
    expect({ code: server.exitCode, signal: server.signalCode }).toEqual({ code: 0, signal: null });
  },
);
