import { afterEach, describe, expect, test } from "vitest";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

let proxy: ProxyUnderTest;

afterEach(async () => {
  await proxy.stop();
  expect(proxy.failures).toEqual([]);
});

describe("fields that are for one client", () => {
  test("RFC 9111 §5.2.2.7: the client that asked gets what private names, and nobody else", async () => {
    proxy = await startProxy((_, response) => {
      response
        .writeHead(200, { "cache-control": 'max-age=60, private="Set-Cookie"', "set-cookie": "id=1", "x-all": "2" })
        .end("hello");
    });
    const first = await proxy.get("/a");
    expect(first.fields).toMatchObject({ "x-cache": "MISS", "set-cookie": "id=1", "x-all": "2" });
    const second = await proxy.get("/a");
    expect(second.fields).toMatchObject({ "x-cache": "HIT", "x-all": "2" });
    expect(second.fields).not.toHaveProperty("set-cookie");
  });

  test("RFC 9111 §7.3: cookies go to the client that asked, and are not stored unless the response is for all", async () => {
    let asked = 0;
    proxy = await startProxy((message, response) => {
      asked += 1;
      const policy = message.url === "/all" ? "public, max-age=60" : "max-age=60";
      response.writeHead(200, { "cache-control": policy, "set-cookie": `id=${asked}` }).end("hello");
    });
    expect((await proxy.get("/one")).fields["set-cookie"]).toEqual("id=1");
    expect((await proxy.get("/one")).fields["set-cookie"]).toEqual("id=2");
    expect((await proxy.get("/all")).fields["set-cookie"]).toEqual("id=3");
    expect((await proxy.get("/all")).fields["set-cookie"]).toEqual("id=3");
  });
});

describe("a 304", () => {
  test("RFC 9111 §4.3.4: one about another response updates nothing, and the whole is fetched", async () => {
    proxy = await startProxy((message, response) => {
      const conditional = message.headers["if-none-match"] !== undefined;
      const tag = proxy.origin.seen.length === 1 ? '"a"' : '"b"';
      const fields = { etag: tag, "cache-control": "max-age=10", "x-asked": String(proxy.origin.seen.length) };
      if (conditional) response.writeHead(304, fields).end();
      else response.writeHead(200, fields).end(`body of ${tag}`);
    });
    expect((await proxy.get("/a")).text).toBe('body of "a"');
    proxy.clock.advance(11_000);
    const second = await proxy.get("/a");
    expect(second).toMatchObject({ status: 200, text: 'body of "b"' });
    expect(second.fields).toMatchObject({ etag: '"b"', "x-asked": "3" });
    expect(await proxy.get("/a")).toMatchObject({ text: 'body of "b"', fields: { "x-cache": "HIT", "x-asked": "3" } });
    // That one is about what is stored.
    proxy.clock.advance(11_000);
    const last = await proxy.get("/a");
    expect(last).toMatchObject({ text: 'body of "b"', fields: { "x-cache": "REVALIDATED", "x-asked": "4" } });
  });
});
