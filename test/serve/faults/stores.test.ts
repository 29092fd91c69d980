import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { newToken, tokenEntry } from "../../../src/config/admin-tokens.js";
import { type HttpOrigin, startOrigin } from "../../support/http-origin.js";
import { startRedis } from "../../support/redis-server.js";
import { startShell } from "../../support/run-binary.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { startServing } from "../serving.js";
import { loseRedisUnderLoad } from "./redis-load.js";

test("Redis under memory away, back, hanging and back again, under load: no request fails, and it is used again", async () => {
  await loseRedisUnderLoad((url) => ["memory:", url], 1);
}, 60_000);

test("Redis that hangs: a request waits for it once", async () => {
  const redis = await startRedis();
  const origin = await startOrigin((_request, response) => void response.end("answer"));
  const serving = await startServing(["--origin", origin.url, "--store", redis.url, "--timeout", "2s"]);
  try {
    await serving.get("/before");
    redis.pause();
    const began = performance.now();
    expect(await serving.get("/a")).toMatchObject({ status: 200, text: "answer" });
    expect(performance.now() - began).toBeLessThan(3800);
  } finally {
    serving.running.kill("SIGKILL");
    await serving.running.result;
    await Promise.all([redis.stop(), origin.stop()]);
  }
});

test("Redis away: the figures say so, and none that is not known", async () => {
  const redis = await startRedis();
  const origin = await startOrigin((_request, response) => void response.end("answer"));
  const tokens = join(tempDir("tokens"), "tokens");
  const token = newToken();
  writeFileSync(tokens, JSON.stringify(tokenEntry(token, "a", "viewer")), { mode: 0o600 });
  const serving = await startServing(["--origin", origin.url, "--store", redis.url, "--admin-tokens", tokens]);
  try {
    await serving.get("/a");
    const admin = /admin (http:\S+?),/.exec(serving.running.stderr())?.[1];
    const headers = { authorization: `Bearer ${token}` };
    const figures = async () => {
      const answer = await fetch(`${admin}/cache/stats`, { headers });
      return (await answer.json()) as { breaker: string };
    };
    expect(await figures()).toMatchObject({ breaker: "closed", degraded: false, totalMisses: 1 });
    await redis.kill();
    await until(async () => {
      await serving.get("/a");
      return (await figures()).breaker === "open";
    });
    expect(await figures()).toMatchObject({ degraded: true, totalHits: null, totalMisses: null, hitRate: null });
  } finally {
    serving.running.kill("SIGKILL");
    await serving.running.result;
    await Promise.all([redis.stop(), origin.stop()]);
  }
});

describe.each(["sqlite:disk/c.db", "file:disk/files"])("%s on a disk that takes no more", (store) => {
  let origin: HttpOrigin | undefined;
  afterEach(() => origin?.stop());

  test("requests are answered, what is kept is whole, it says so, and the server ends as it should", async () => {
    // What compression makes little of.
    const body = (path: string) => createHash("shake256", { outputLength: 75_000 }).update(path).digest("base64");
    origin = await startOrigin(({ url }, response) => {
      response.writeHead(200, { "cache-control": "max-age=600" }).end(body(url));
    });
    const cwd = tempDir("full-disk");
    const serve = `serve --port 0 --admin-port 0 --origin ${origin.url} --store ${store}`;
    writeFileSync(join(cwd, "on-tmpfs.sh"), `mount -t tmpfs -o size=8m none disk && exec "$@" ${serve}`);
    // A file system of its own where that is permitted; else a limit on the size of a file, which fails in the same places.
    const running = startShell(
      `mkdir disk; if unshare -m sh -c 'mount -t tmpfs -o size=8m none disk' 2>/dev/null
      then exec unshare -m sh on-tmpfs.sh "\${CACHE[@]}"; else ulimit -f ${store.startsWith("file") ? 90 : 3000}; exec "\${CACHE[@]}" ${serve}; fi`,
      { cwd, timeoutMs: 60_000 },
    );
    const url = await until(() => /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr())?.[0], { timeoutMs: 15_000 });
    const get = async (path: string) => {
      const response = await fetch(url + path);
      return { status: response.status, cache: response.headers.get("x-cache"), text: await response.text() };
    };
    for (let i = 0; i < 130; i++) expect(await get(`/${i}`)).toMatchObject({ status: 200, text: body(`/${i}`) });
    let hits = 0;
    for (let i = 0; i < 130; i++) {
      const { cache, text } = await get(`/${i}`);
      expect(text).toBe(body(`/${i}`));
      if (cache === "HIT") hits += 1;
    }
    expect(hits).toBeLessThan(130);
    expect(running.stderr()).toMatch(/warning: /);
    expect(running.stderr()).not.toMatch(/\n\s+at /);
    running.kill("SIGTERM");
    expect(await running.result).toMatchObject({ code: 0, signal: null });
  }, 60_000);
});
