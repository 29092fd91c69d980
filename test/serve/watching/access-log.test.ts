import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { request } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { AccessLog } from "../../../src/serve/watching/access-log.js";
import { FakeClock } from "../../support/fake-clock.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { startWatched, type Watched } from "./watched.js";

interface Line {
  time: string;
  method: string;
  host: string;
  path: string;
  status: number;
  outcome?: string;
  bytes: number;
  ms: number;
  remote: string;
  agent?: string;
  cut?: boolean;
}

const linesIn = (path: string): Line[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);

describe("access log", () => {
  const running: Watched[] = [];
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });

  async function logged(query = true) {
    const path = join(tempDir(), "access.log");
    const clock = new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 67));
    const failed: string[] = [];
    const log = new AccessLog(clock, { to: path, query, failed: ({ message }) => failed.push(message) });
    const proxy = await startWatched(
      ({ url }, response) => {
        if (url.startsWith("/cut"))
          response.writeHead(200, { "content-length": "10" }).write("half", () => response.destroy());
        else response.writeHead(200, { "cache-control": "max-age=10", "content-length": "5" }).end("hello");
      },
      { clock, watch: { accessLog: log } },
    );
    running.push(proxy);
    const lines = async (count: number) =>
      until(async () => {
        await log.flush();
        const seen = linesIn(path);
        return seen.length >= count && seen;
      });
    return { ...proxy, path, log, failed, lines };
  }

  test("has a line for each request, with what became of it", async () => {
    const { server, get, lines, path, clock } = await logged();
    await get("/a?x=1", { "user-agent": "curl/8" });
    clock.advance(1000);
    await get("/a?x=1", { "user-agent": "curl/8" });
    await request(`${server.url}/a?x=1`, { method: "HEAD", headers: { "user-agent": "curl/8" } }).then(({ body }) =>
      body.dump(),
    );
    await get("/a?x=1", { range: "bytes=1-2", "user-agent": "u".repeat(1000) });
    const host = new URL(server.url).host;
    const common = { host, path: "/a?x=1", remote: "127.0.0.1", agent: "curl/8" };
    const seen = await lines(4);
    expect(seen.slice(0, 3)).toEqual([
      { ...common, time: "2026-01-02T03:04:05.067Z", method: "GET", status: 200, outcome: "MISS", bytes: 5, ms: 0 },
      { ...common, time: "2026-01-02T03:04:06.067Z", method: "GET", status: 200, outcome: "HIT", bytes: 5, ms: 0 },
      { ...common, time: "2026-01-02T03:04:06.067Z", method: "HEAD", status: 200, outcome: "HIT", bytes: 0, ms: 0 },
    ]);
    expect(seen[3]).toMatchObject({ status: 206, bytes: 2, agent: `${"u".repeat(256)}…` });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("has no secrets", async () => {
    const { get, lines, path } = await logged();
    await get("/a?page=2&access_token=hush1&Api%5fKe%79=hush2&sig=hush3;PASSWORD=hush4&q=key&X-Amz-Signature=hush5&b", {
      authorization: "Bearer hush6",
      cookie: "session=hush7",
      "proxy-authorization": "Basic hush8",
      referer: "http://a/?token=hush9",
    });
    const [line] = await lines(1);
    expect(line?.path).toBe(
      "/a?page=2&access_token=***&Api%5fKe%79=***&sig=***;PASSWORD=***&q=key&X-Amz-Signature=***&b",
    );
    expect(readFileSync(path, "utf8")).not.toContain("hush");
  });

  test.each([
    ["/a?pw=hush&pass=hush&Bearer=hush&ticket=hush&Policy=hush", "/a?pw=***&pass=***&Bearer=***&ticket=***&Policy=***"],
    ["/a?u=http://x/?token=hush&v=http%3A%2F%2Fx%2F%3Ftoken%3Dhush&w=http://x/?y=1", "/a?u=***&v=***&w=http://x/?y=1"],
    ["/a?token%3Dhush&b", "/a?***&b"],
    ["/a?token=a;hush;c=1;d", "/a?token=***;c=1"],
    ["/a;jsessionid=hush/b;v=1?c", "/a;jsessionid=***/b;v=1?c"],
  ])("has no secrets that are hidden: %s", async (asked, shown) => {
    const { get, lines } = await logged();
    await get(asked);
    expect((await lines(1))[0]?.path).toBe(shown);
  });

  test("has no user and password of an absolute target, and no query where that is not wanted", async () => {
    const { server, get, lines, path } = await logged(false);
    await get("/a?b=hush");
    const { port, host } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1").resume();
    socket.end(`GET http://me:hush@${host}/b?c=hush HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const seen = await lines(2);
    expect(seen.map((line) => line.path)).toEqual(["/a", `http://${host}/b`]);
    expect(readFileSync(path, "utf8")).not.toContain("hush");
  });

  test("says what was refused, what was cut and who went away", async () => {
    const { server, get, lines, origin } = await logged();
    const { port, host } = new URL(server.url);
    expect(await get("/a", { via: "1.1 cache-test" })).toBe(508);
    await expect(get("/cut")).rejects.toThrow();
    origin.answer = () => {};
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(`POST /never HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`);
    await until(() => origin.seen.some(({ url }) => url === "/never"));
    socket.destroy();
    const [refused, cut, gone] = await lines(3);
    expect(refused).toMatchObject({ path: "/a", status: 508 });
    expect(refused).not.toHaveProperty("outcome");
    expect(cut).toMatchObject({ path: "/cut", status: 200, outcome: "MISS", cut: true });
    expect(gone).toMatchObject({
      method: "POST",
      path: "/never",
      status: 499,
      bytes: 0,
      cut: true,
      remote: "127.0.0.1",
    });
  });

  test("holds one line for each request, whatever clients send", async () => {
    const { server, lines, path } = await logged();
    const { port, host } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1").resume();
    socket.end(
      `GET /"},{"time":1}\\n%0a HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: "},\t\xff{\r\nConnection: close\r\n\r\n`,
      "latin1",
    );
    const [line] = await lines(1);
    expect(line).toMatchObject({ path: '/"},{"time":1}\\n%0a', agent: '"},\t\xff{' });
    expect(readFileSync(path, "utf8").match(/\n/g)).toHaveLength(1);
  });

  test("goes on in a new file after the old one was moved away, without losing a line", async () => {
    const { get, log, path } = await logged();
    for (let i = 0; i < 20; i += 1) {
      await get(`/${i}`);
      if (i === 9) {
        renameSync(path, `${path}.1`);
        log.reopen();
      }
    }
    await until(async () => {
      await log.flush();
      return linesIn(`${path}.1`).length + linesIn(path).length >= 20;
    });
    const all = [...linesIn(`${path}.1`), ...linesIn(path)].map((line) => line.path);
    expect(all).toEqual(Array.from({ length: 20 }, (_, i) => `/${i}`));
    expect(linesIn(path).length).toBeGreaterThanOrEqual(10);
  });

  test("goes on in the old file where no new one can be made, and says so", async () => {
    const { get, log, path, failed } = await logged();
    await get("/a");
    renameSync(path, `${path}.1`);
    mkdirSync(path);
    log.reopen();
    await get("/b");
    await until(async () => {
      await log.flush();
      return linesIn(`${path}.1`).length === 2;
    });
    expect(failed).toEqual([`cannot write the access log to ${path}: EISDIR`]);
  });

  test.runIf(existsSync("/dev/full"))("drops what a full disk does not take, says so once, and counts it", async () => {
    const failed: string[] = [];
    const clock = new FakeClock();
    const accessLog = new AccessLog(clock, {
      to: "/dev/full",
      query: true,
      failed: ({ message }) => failed.push(message),
    });
    const proxy = await startWatched((_request, response) => void response.end("hello"), {
      clock,
      watch: { accessLog },
    });
    running.push(proxy);
    for (let i = 0; i < 5; i += 1) {
      expect(await proxy.get("/a")).toBe(200);
      await proxy.scrape();
      await accessLog.flush();
    }
    expect(failed).toEqual(["cannot write the access log to /dev/full: ENOSPC"]);
    expect((await proxy.scrape()).get("cache_access_log_lost_lines_total")).toBe(5);
  });

  test("has every line of what was asked before the stop", async () => {
    const { get, server, path } = await logged();
    await Promise.all(Array.from({ length: 50 }, (_, i) => get(`/${i}`)));
    await server.stop();
    expect(linesIn(path)).toHaveLength(50);
    await server.stop();
  });

  test("can't be opened where there is no folder", () => {
    const open = () =>
      new AccessLog(new FakeClock(), { to: join(tempDir(), "none/access.log"), query: true, failed: () => {} });
    expect(open).toThrow(expect.objectContaining({ code: "cannot-write", kind: "usage" }));
  });
});
