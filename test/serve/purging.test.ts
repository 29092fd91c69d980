import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { HttpCache } from "../../src/http/http-cache.js";
import { openCache } from "../../src/library.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

let proxy: ProxyUnderTest | undefined;
afterEach(() => proxy?.stop());

/** A proxy whose origin answers when the test says so. */
async function heldBack(store: string) {
  const gates: (() => void)[] = [];
  const started = await startProxy(
    async ({ url }, response) => {
      const turn = gates.length;
      await new Promise<void>((resolve) => gates.push(resolve));
      response.writeHead(200, { "cache-control": "max-age=60", "cache-tag": "news" }).end(`${url} ${turn}`);
    },
    { store },
  );
  proxy = started;
  return { started, gates };
}

describe("a purge while the same URL is being fetched", () => {
  test.each([
    ["by URL", (url: string) => ({ urls: [`${url}/a`] })],
    ["by tag", () => ({ tags: ["news"] })],
    ["by prefix", (url: string) => ({ prefix: `${url}/` })],
    ["by glob", () => ({ match: "/*" })],
  ])("%s: who asks afterwards waits for no old response", async (_, request) => {
    const { started, gates } = await heldBack("memory:");
    const early = started.get("/a");
    await until(() => gates.length === 1);
    await new HttpCache(started.cache, started.clock).purge(request(started.server.url));
    const late = started.get("/a");
    await until(() => gates.length === 2);
    for (const open of gates) open();
    expect([(await early).text, (await late).text]).toEqual(["/a 0", "/a 1"]);
    const after = started.get("/a");
    await until(async () => (await Promise.race([after, "waiting"])) !== "waiting" || gates.length === 3);
    for (const open of gates) open();
    expect((await after).text).not.toBe("/a 0");
  });

  test("by another process on the same file: within 100 ms", async () => {
    const path = join(tempDir("purging"), "c.db");
    const { started, gates } = await heldBack(`sqlite:${path}`);
    const early = started.get("/a");
    await until(() => gates.length === 1);
    const other = await openCache({ store: `sqlite:${path}`, namespace: "http" });
    await new HttpCache(other, systemClock).purge({ urls: [`${started.server.url}/a`] });
    await other.close();
    const late: Promise<unknown>[] = [];
    await until(
      () => {
        late.push(started.get("/a"));
        // Its clock stands still unless it is moved, and with it the looks into the log.
        started.clock.advance(30);
        return gates.length > 1;
      },
      { timeoutMs: 2000, everyMs: 10 },
    );
    await until(() => {
      for (const open of gates) open();
      return true;
    });
    expect((await early).text).toBe("/a 0");
    await Promise.all(late);
    await until(async () => {
      for (const open of gates) open();
      return (await started.get("/a")).text !== "/a 0";
    });
  });
});
