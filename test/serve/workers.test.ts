import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";
import { runBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type Serving, startServing } from "./serving.js";

/** For a machine that has other things to do. */
const PATIENCE = { timeoutMs: 15_000 };

let origin: HttpOrigin;
let serving: Serving | undefined;
let version: string;
beforeEach(async () => {
  version = "old";
  origin = await startOrigin((_request, response) => {
    response.writeHead(200, { "cache-control": "max-age=600", "cache-tag": "news" }).end(version);
  });
});
afterEach(async () => {
  serving?.running.kill("SIGTERM");
  await serving?.running.result;
  serving = undefined;
  await origin.stop();
});

async function crew(args: readonly string[], options: { cwd?: string; workers?: number } = {}) {
  const { cwd = tempDir("workers"), workers = 2 } = options;
  const home = join(cwd, "home");
  const one = await startServing(["--origin", origin.url, "--workers", `${workers}`, ...args], {
    cwd,
    env: { HOME: home, TMPDIR: cwd },
  });
  serving = one;
  const admin = /admin (http:\/\/127\.0\.0\.1:\d+)/.exec(one.running.stderr())?.[1] ?? "";
  return { ...one, cwd, admin, home };
}

/** Processes that this one has begun. */
function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

/** A connection of its own for each of many requests, so that every worker gets some. */
async function ask(url: string, path: string, times = 12) {
  const answers = Array.from({ length: times }, async () => {
    const dispatcher = new Agent({ connections: 1, pipelining: 0 });
    try {
      const { headers, body } = await request(url + path, { dispatcher });
      return { cache: headers["x-cache"], text: await body.text() };
    } finally {
      await dispatcher.close();
    }
  });
  return Promise.all(answers);
}

/** Which answers there were. */
const kinds = (answers: readonly { cache: unknown; text: string }[]) =>
  [...new Set(answers.map(({ cache, text }) => `${cache} ${text}`))].sort();

describe("--workers", () => {
  test("a connection that a worker was given, and did not take before it was killed, is another one's", async () => {
    const { url, running } = await crew(["--store", "memory:"]);
    await ask(url, "/a");
    const [first = 0] = children(running.pid);
    process.kill(first, "SIGSTOP");
    const answers = ask(url, "/a", 6);
    // Without the rest of what was asked: one waits with the worker that stands still.
    const waiting = await Promise.race([answers, new Promise((resolve) => setTimeout(resolve, 300, "waiting"))]);
    process.kill(first, "SIGKILL");
    expect([waiting, kinds(await answers)]).toEqual(["waiting", ["HIT old"]]);
  });

  test("the admin page is at the primary's admin port, and tells what all of them do", async () => {
    const cwd = tempDir("workers");
    const tokens = join(cwd, "tokens");
    const made = await runBinary(["serve", "token", "--name", "me", "--file", tokens], { cwd });
    const { url, admin } = await crew(["--store", "memory:", "--admin-tokens", tokens], { cwd });
    const page = await request(admin);
    expect([page.statusCode, await page.body.text()]).toEqual([200, expect.stringContaining("<!doctype html>")]);
    const login = await request(`${admin}/cache/session`, {
      ...{ method: "POST", body: JSON.stringify({ token: made.stdout.toString().trim() }) },
      headers: { "content-type": "application/json", origin: admin },
    });
    expect(await login.body.json()).toMatchObject({ name: "me", role: "operator" });
    const [cookie = ""] = String(login.headers["set-cookie"]).split(";");
    const { body } = await request(`${admin}/events`, { headers: { cookie, "sec-fetch-site": "same-origin" } });
    const heard: Record<string, unknown>[] = [];
    let rest = "";
    body.on("data", (piece: Buffer) => {
      const blocks = (rest + piece.toString()).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const [, data] = /^event: point\ndata: (.*)$/.exec(block) ?? [];
        if (data !== undefined) heard.push(JSON.parse(data));
      }
    });
    body.on("error", () => {});
    await ask(url, "/page", 20);
    const counted = () =>
      heard.flatMap(({ requests }) => Object.values(Object(requests))).reduce<number>((sum, n) => sum + Number(n), 0);
    await until(() => counted() === 20, PATIENCE);
    body.destroy();
  });

  test.each([["memory:"], ["memory: over sqlite"]])(
    "%s: they share a port and a store, and hear of a purge within 100 ms of its answer",
    async (kind) => {
      const cwd = tempDir("workers");
      const stores = kind === "memory:" ? ["--store", "memory:"] : ["--store", "memory:", "--store", "sqlite:c.db"];
      const { url, admin, running, home } = await crew(stores, { cwd });
      expect(children(running.pid)).toHaveLength(2);
      await ask(url, "/a", 1);
      await until(async () => kinds(await ask(url, "/a")).join() === "HIT old");
      expect(origin.seen).toHaveLength(1);
      version = "new";
      const purged = await runBinary(["invalidate", "--tag", "news", "--yes", "--store", admin], {
        cwd,
        env: { HOME: home },
      });
      expect([purged.code, purged.stderr]).toEqual([0, ""]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const after = await ask(url, "/a", 24);
      expect(after.filter(({ text }) => text !== "new")).toEqual([]);
    },
  );

  test("a worker that is killed under load is replaced: what others serve goes on, and the port stays", async () => {
    const { url, running } = await crew(["--store", "memory:"]);
    await ask(url, "/a", 1);
    let over = false;
    const counts = { good: 0, bad: 0 };
    const dispatcher = new Agent({ connections: 12, headersTimeout: 3000 });
    const load = Array.from({ length: 12 }, async () => {
      while (!over) {
        try {
          const { statusCode, body } = await request(`${url}/a`, { dispatcher });
          await body.text();
          counts[statusCode === 200 ? "good" : "bad"] += 1;
        } catch {
          counts.bad += 1;
        }
      }
    });
    await until(() => counts.good > 100, PATIENCE);
    const [victim = 0, ...others] = children(running.pid);
    process.kill(victim, "SIGKILL");
    await until(() => running.stderr().includes("another one is started"), PATIENCE);
    await until(() => children(running.pid).length === 2, PATIENCE);
    const before = counts.good;
    await until(() => counts.good > before + 200, PATIENCE);
    over = true;
    await Promise.all(load);
    await dispatcher.close();
    expect(children(running.pid)).toEqual(expect.arrayContaining(others));
    // Only what was on the connections of the one that was killed.
    expect(counts.bad).toBeLessThanOrEqual(12);
    expect(kinds(await ask(url, "/a"))).toEqual(["HIT old"]);
  });

  test("SIGTERM under load: every request that was begun is answered, all end, and nothing is left behind", async () => {
    origin.answer = async (_request, response) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      response.writeHead(200, { "cache-control": "no-store" }).end("slow");
    };
    const { url, running, cwd } = await crew(["--store", "memory:"]);
    const folders = () => readdirSync(cwd).filter((name) => name.startsWith("cache-serve-"));
    expect(folders()).toHaveLength(1);
    const workers = children(running.pid);
    const asked = ask(url, "/slow", 30);
    await until(() => origin.seen.length === 30);
    running.kill("SIGTERM");
    expect(kinds(await asked)).toEqual(["MISS slow"]);
    expect(await running.result).toMatchObject({ code: 0, signal: null });
    expect(folders()).toEqual([]);
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  test("SIGHUP reaches all, and a file with a mistake none", async () => {
    const cwd = tempDir("workers");
    const rules = join(cwd, "rules.json");
    writeFileSync(rules, "[]");
    const { url, running } = await crew(["--store", "memory:", "--rules", rules], { cwd });
    await ask(url, "/a", 1);
    await until(async () => kinds(await ask(url, "/a")).join() === "HIT old");
    writeFileSync(rules, '[{"pattern":"/*","ttl":"soon"}]');
    running.kill("SIGHUP");
    await until(() => running.stderr().includes("nothing is reloaded"));
    expect(kinds(await ask(url, "/a"))).toEqual(["HIT old"]);
    expect(running.stderr().match(/nothing is reloaded/g)).toHaveLength(1);
    writeFileSync(rules, '[{"pattern":"/*","bypass":true}]');
    running.kill("SIGHUP");
    await until(async () => kinds(await ask(url, "/a")).join() === "BYPASS old");
    // One that begins now has the rules that are in use, whatever the file says.
    writeFileSync(rules, "no rules");
    const [victim = 0, other = 0] = children(running.pid);
    process.kill(victim, "SIGKILL");
    await until(() => {
      const now = children(running.pid);
      return now.length === 2 && !now.includes(victim) && now.includes(other);
    }, PATIENCE);
    process.kill(other, "SIGKILL");
    await until(async () => kinds(await ask(url, "/a")).join() === "BYPASS old", PATIENCE);
  });

  test("figures of the primary are those of all workers together", async () => {
    const { url, admin } = await crew(["--store", "memory:", "--store", "sqlite:c.db"]);
    let asked = 0;
    const some = async (times: number) => {
      asked += times;
      return kinds(await ask(url, "/a", times)).join();
    };
    await some(1);
    await until(async () => (await some(12)) === "HIT old");
    const token = /token of \S+ is in (.+)/.exec(serving?.running.stderr() ?? "")?.[1] ?? "";
    const headers = { authorization: `Bearer ${readFileSync(token, "utf8").trim()}` };
    await until(async () => {
      const metrics = await (await request(`${admin}/metrics`, { headers })).body.text();
      const hits = Number(/cache_http_requests_total\{outcome="HIT",status="2xx"\} (\d+)/.exec(metrics)?.[1]);
      return hits === asked - 1;
    });
    const cleared = await request(`${admin}/cache/memory`, { method: "DELETE", headers });
    // One that each has; what the store has stays.
    expect(await cleared.body.json()).toMatchObject({ tier: "memory", deleted: 2 });
    expect(kinds(await ask(url, "/a"))).toEqual(["HIT old"]);
    expect(origin.seen).toHaveLength(1);
  });

  test("what can't be: an admin API at the port of the proxy, and a port that is taken", async () => {
    const cwd = tempDir("workers");
    const { url } = await crew(["--store", "memory:"], { cwd });
    const { port } = new URL(url);
    const serve = ["serve", "--origin", origin.url, "--store", "memory:", "--workers", "2"];
    const shared = await runBinary([...serve, "--port", "4711", "--admin-port", "4711"]);
    expect([shared.code, shared.stderr]).toEqual([2, expect.stringContaining("--admin-port")]);
    const taken = await runBinary([...serve, "--port", port, "--admin-port", "0"]);
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("in use")]);
  });
});
