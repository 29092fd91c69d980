import { mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Serving, startServing } from "../serve/serving.js";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";
import { startBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const linesOf = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe("cache serve, watched", () => {
  let origin: HttpOrigin;
  let serving: Serving | undefined;

  beforeEach(async () => {
    origin = await startOrigin((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
    });
  });

  afterEach(async () => {
    serving?.running.kill("SIGTERM");
    await serving?.running.result;
    serving = undefined;
    await origin.stop();
  });

  const start = async (...args: readonly string[]) => {
    serving = await startServing(["--origin", origin.url, "--admin-port", "0", "--store", "memory:", ...args]);
    return serving;
  };

  test("begins a new access log on SIGHUP, and has written every line when it ends", async () => {
    const path = join(tempDir(), "access.log");
    const { get, running } = await start("--access-log", path);
    for (let i = 0; i < 10; i += 1) await get(`/a?i=${i}&token=hush`);
    renameSync(path, `${path}.1`);
    running.kill("SIGHUP");
    await until(() => /reloaded .*access log/.test(running.stderr()));
    for (let i = 10; i < 20; i += 1) await get(`/a?i=${i}&token=hush`);
    running.kill("SIGTERM");
    expect((await running.result).code).toBe(0);
    const [before, after] = [linesOf(readFileSync(`${path}.1`, "utf8")), linesOf(readFileSync(path, "utf8"))];
    expect([...before, ...after].map((line) => line.path)).toEqual(
      Array.from({ length: 20 }, (_, i) => `/a?i=${i}&token=***`),
    );
    expect(after.length).toBeGreaterThanOrEqual(10);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("writes it to standard output, without queries", async () => {
    const { get, running } = await start("--access-log", "-", "--access-log-query=false");
    await get("/a?b=c");
    await get("/a?b=c");
    running.kill("SIGTERM");
    const { stdout } = await running.result;
    expect(linesOf(stdout.toString()).map(({ path, outcome }) => `${path} ${outcome}`)).toEqual(["/a MISS", "/a HIT"]);
  });

  test("warns when there are few hits", async () => {
    const { get, running } = await start("--monitor-interval", "50ms", "--monitor-hit-rate", "90");
    await Promise.all(Array.from({ length: 200 }, (_, i) => get(`/${i}`)));
    await until(() => running.stderr().includes("the hit rate is 0.0%, below 90.0%"));
  });

  test("is refused an access log where none can be written, before anything is opened", async () => {
    const dir = tempDir();
    mkdirSync(join(dir, "folder"));
    for (const path of [join(dir, "folder"), join(dir, "none/access.log")]) {
      const refused = startBinary(["serve", "--origin", origin.url, "--access-log", path], { cwd: dir });
      const { code, stderr } = await refused.result;
      expect([code, stderr]).toEqual([2, expect.stringContaining(`cannot write the access log to ${path}`)]);
    }
  });
});
