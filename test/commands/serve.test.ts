import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";
import { startBinary } from "../support/run-binary.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let origin: HttpOrigin;
beforeEach(async () => {
  origin = await startOrigin((_request, response) => {
    response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
  });
});
afterEach(() => origin.stop());

/** `cache serve` as a process of its own, on a free port unless one is given. */
async function serving(stores: readonly string[], port = "0") {
  const args = stores.flatMap((store) => ["--store", store]);
  const running = startBinary(["serve", "--origin", origin.url, "--port", port, "--admin-port", "0", ...args]);
  const url = await until(() => /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr())?.[0], { timeoutMs: 15_000 });
  const get = async (path: string) => {
    const response = await fetch(url + path);
    return [response.status, response.headers.get("x-cache"), await response.text()];
  };
  return { running, url, get };
}

describe("cache serve", () => {
  test("answers from its store, ends with 0 on SIGTERM, and has kept it when it is started again", async () => {
    const store = `sqlite:${tempDir("serve")}/c.db`;
    const first = await serving(["memory:", store]);
    expect(await first.get("/a")).toEqual([200, "MISS", "hello"]);
    expect(await first.get("/a")).toEqual([200, "HIT", "hello"]);
    first.running.kill("SIGTERM");
    expect(await first.running.result).toMatchObject({ code: 0, signal: null });
    const port = new URL(first.url).port;
    const second = await serving(["memory:", store], port);
    expect(await second.get("/a")).toEqual([200, "HIT", "hello"]);
    second.running.kill("SIGTERM");
    expect((await second.running.result).code).toBe(0);
    expect(origin.seen).toHaveLength(1);
  });

  test("SIGTERM under load: every request that was begun is answered", async () => {
    origin.answer = async (_request, response) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      response.writeHead(200, { "cache-control": "no-store" }).end("slow");
    };
    const { running, url } = await serving(["memory:"]);
    const asked = Array.from({ length: 50 }, async (_, i) => (await fetch(`${url}/${i}`)).text());
    await until(() => origin.seen.length === 50);
    running.kill("SIGTERM");
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["slow"]));
    expect((await running.result).code).toBe(0);
  });

  test.each([
    [["--origin", "example.com"], 2, "no http or https URL"],
    [["--origin", "http://a", "--origin", "http://b"], 2, "two origins"],
    [["--origin", "http://127.0.0.1:1", "--port", "99999"], 2, "too much"],
    [["--origin", "http://127.0.0.1:1", "--port", "0", "--trust-proxy", "nonsense"], 2, "no address or network"],
    [["--origin", "http://127.0.0.1:1", "--port", "0", "--tls-cert", "none.pem"], 2, "--tls-key"],
    [["--origin", "http://127.0.0.1:1", "--port", "0", "--store", "memory:?policy=best"], 2, "policy"],
  ])("%j is refused at start, in one line", async (args, code, said) => {
    const {
      code: ended,
      stderr,
      stdout,
    } = await runCli(["serve", "--store", "memory:", ...args], { cwd: tempDir("serve") });
    expect([ended, stdout]).toEqual([code, ""]);
    expect(stderr.split("\n")[0]).toContain(said);
  });

  test("a port in use: exit 1", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const args = ["serve", "--store", "memory:", "--origin", origin.url, "--port", `${port}`];
    const { code, stderr } = await runCli(args, { cwd: tempDir("serve") });
    taken.close();
    expect([code, stderr]).toEqual([1, expect.stringContaining("in use")]);
  });
});
