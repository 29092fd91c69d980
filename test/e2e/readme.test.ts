import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseStoreUrl } from "../../src/config/store-url.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

const ROOT = resolve(import.meta.dirname, "../..");

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

/** What the test run itself is, or would change the machine. */
const NOT_RUN_HERE: Readonly<Record<string, string>> = {
  "npm ci && npm test": "is this test run",
  "npm install --global .": "would change the machine",
};

function shellBlocks(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => (match[1] ?? "").trim());
}

/** A server runs until the block is over, and is there before the next line. */
function inBackground(command: string, port: number): string {
  return `trap 'kill $(jobs -p); wait' EXIT
${command} --port ${port} &
until curl -sf http://127.0.0.1:${port + 1}/health/live > /dev/null; do kill -0 $!; sleep 0.05; done`;
}

/** The first of two neighbours. */
async function twoFreePorts(): Promise<number> {
  for (;;) {
    const one = createServer();
    const port = await listening(one, 0);
    const other = createServer();
    const both = await listening(other, port + 1).catch(() => undefined);
    one.close();
    other.close();
    if (both !== undefined) return port;
  }
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

test("every shell block of the README works, in order, in an empty home", { timeout: 60_000 }, async () => {
  const home = tempDir("readme");
  const bin = join(home, "bin");
  mkdirSync(bin);
  cpSync(join(ROOT, "examples"), join(home, "examples"), { recursive: true });
  const program = join(bin, "cache");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "bin/cache.js")}" "$@"\n`);
  chmodSync(program, 0o755);
  const env = { HOME: home, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const blocks = shellBlocks("README.md");
  const skipped = blocks.filter((block) => block in NOT_RUN_HERE);
  expect(skipped).toHaveLength(Object.keys(NOT_RUN_HERE).length);
  const outputs: string[] = [];
  const port = await twoFreePorts();
  for (const block of blocks.filter((one) => !skipped.includes(one))) {
    // The clone is installed already, `npx cache` in it is this program, and the reader's Redis the one of this test.
    const script = block
      .replaceAll("npm ci && ", "")
      .replaceAll("npx cache", "cache")
      .replaceAll("redis://localhost:6379", redis.url)
      .replaceAll(/127\.0\.0\.1:400([01])/g, (_, admin) => `127.0.0.1:${port + Number(admin)}`)
      .replaceAll(/^(cache serve(?! token)(?!.* --(?:explain|check-config))[^#\n]*)(?:#.*)?$/gm, (_, command) =>
        inBackground(command, port),
      );
    const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], { cwd: home, env });
    outputs.push(stdout);
  }
  expect(outputs.length).toBeGreaterThanOrEqual(9);
  const said = outputs.join("");
  for (const part of ['"name": "Desk lamp"', '{"name": "Stool"}{"name": "Stool"}', "for few eyes"])
    expect(said).toContain(part);
});

test("every store URL of the README is one", () => {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const urls = [...text.matchAll(/[`"](?:-s )?((?:memory|sqlite|file|rediss?(?:\+\w+)?):[^`"\s]*)[`"]/g)].map(
    ([, url = ""]) => url,
  );
  expect(urls.length).toBeGreaterThanOrEqual(12);
  for (const url of urls) expect(() => parseStoreUrl(url, "the README", "/", "/"), url).not.toThrow();
});
