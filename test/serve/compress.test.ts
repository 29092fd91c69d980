import { join } from "node:path";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { request } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { parseRules } from "../../src/config/rules.js";
import type { HttpOrigin } from "../support/http-origin.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

const TEXT = "All work and no play makes Jack a dull boy. ".repeat(1000);
const HTML = { "content-type": "text/html", "cache-control": "max-age=60" };
const rules = parseRules('[{"pattern":"/*","compress":true}]', "test");

let proxy: ProxyUnderTest | undefined;
afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
});

async function compressing(answer: HttpOrigin["answer"], store?: string): Promise<ProxyUnderTest> {
  proxy = await startProxy(answer, { options: { rules }, ...(store !== undefined && { store }) });
  return proxy;
}

/** As bytes, since clients of tests undo codings. */
async function get(path: string, accepted: string | undefined, fields: Record<string, string> = {}, method = "GET") {
  const headers = { ...(accepted !== undefined && { "accept-encoding": accepted }), ...fields };
  const response = await request(`${proxy?.server.url}${path}`, { method: method as "GET", headers });
  return {
    status: response.statusCode,
    fields: response.headers,
    cache: response.headers["x-cache"],
    body: Buffer.from(await response.body.arrayBuffer()),
  };
}

const page: HttpOrigin["answer"] = ({ headers }, response) => {
  if (headers["if-none-match"] === '"1"') response.writeHead(304, { ...HTML, etag: '"1"' }).end();
  else response.writeHead(200, { ...HTML, etag: '"1"', "content-length": TEXT.length }).end(TEXT);
};

describe.each(["memory:", "sqlite:", "file:"])("a rule with compress on %s", (kind) => {
  test("is sent in the coding that each client likes best, compressed once for each", async () => {
    const { origin } = await compressing(page, kind === "memory:" ? kind : `${kind}${join(tempDir("compress"), "c")}`);
    const undo = { br: brotliDecompressSync, gzip: gunzipSync, identity: (body: Buffer) => body };
    const asked = { br: "gzip, deflate, br", gzip: "gzip, deflate", identity: undefined };
    for (const coding of ["br", "gzip", "identity"] as const) {
      for (const [i, outcome] of ["MISS", "HIT", "HIT"].entries()) {
        const got = await get("/a", i === 2 && coding === "br" ? "br" : asked[coding]);
        expect([got.status, got.cache]).toEqual([200, outcome]);
        expect(undo[coding](got.body).toString()).toBe(TEXT);
        expect(got.fields.vary).toBe("Accept-Encoding");
        const plain = coding === "identity";
        expect([got.fields["content-encoding"], got.fields.etag]).toEqual(
          plain ? [undefined, '"1"'] : [coding, 'W/"1"'],
        );
        if (outcome === "HIT") expect(got.fields["content-length"]).toBe(`${got.body.length}`);
        if (!plain) expect(got.body.length).toBeLessThan(1000);
      }
    }
    expect(origin.seen.map(({ headers }) => headers["accept-encoding"])).toEqual(["br", "gzip", "identity"]);
  });
});

describe("what is stored compressed", () => {
  test("answers HEAD, 304 and ranges like any other content (RFC 9110 §9.3.2, §13.1.2, §14.2)", async () => {
    await compressing(page);
    const whole = await get("/a", "br").then(() => get("/a", "br"));
    const head = await get("/a", "br", {}, "HEAD");
    expect([head.fields["content-length"], head.fields["content-encoding"], head.cache]).toEqual([
      `${whole.body.length}`,
      "br",
      "HIT",
    ]);
    for (const tag of ['W/"1"', '"1"']) {
      const same = await get("/a", "br", { "if-none-match": tag });
      expect([same.status, same.fields.etag, same.fields.vary, same.fields["content-encoding"]]).toEqual([
        304,
        'W/"1"',
        "Accept-Encoding",
        undefined,
      ]);
    }
    const part = await get("/a", "br", { range: "bytes=5-9" });
    expect([part.status, part.fields["content-range"], part.body]).toEqual([
      206,
      `bytes 5-9/${whole.body.length}`,
      whole.body.subarray(5, 10),
    ]);
    // RFC 9110 §13.1.5: a weak entity tag names no bytes.
    expect((await get("/a", "br", { range: "bytes=5-9", "if-range": 'W/"1"' })).status).toBe(200);
  });

  test("is validated by the entity tag of its origin, and stays compressed", async () => {
    const { origin, clock } = await compressing(page);
    await get("/a", "br");
    clock.advance(61_000);
    const got = await get("/a", "br");
    expect([got.cache, got.fields["content-encoding"], got.fields.etag]).toEqual(["REVALIDATED", "br", 'W/"1"']);
    expect(brotliDecompressSync(got.body).toString()).toBe(TEXT);
    expect(origin.seen.at(-1)?.headers["if-none-match"]).toBe('"1"');
    expect((await get("/a", "br")).cache).toBe("HIT");
    expect(origin.seen).toHaveLength(2);
  });

  test("is not outdated by HEAD, whose length is that of the origin's content", async () => {
    const { clock } = await compressing(page);
    await get("/a", "br");
    clock.advance(61_000);
    await get("/a", "br", {}, "HEAD");
    expect((await get("/a", "br")).cache).toBe("HIT");
  });

  test("is never half: what its origin cuts short is cut for the client, and not kept", async () => {
    let whole = false;
    await compressing((_request, response) => {
      response.writeHead(200, HTML);
      if (whole) response.end(TEXT);
      else response.write(TEXT, () => response.destroy());
    });
    await expect(get("/a", "br")).rejects.toThrow();
    whole = true;
    expect((await get("/a", "br")).cache).toBe("MISS");
    expect(proxy?.failures).toEqual([]);
  });

  test("may be long: a client that goes away in the middle of it does not keep the others from it", async () => {
    const piece = Buffer.from(TEXT.repeat(10));
    await compressing(async (_request, response) => {
      response.writeHead(200, HTML);
      for (let i = 0; i < 40; i++)
        if (!response.write(piece)) await new Promise((resolve) => response.once("drain", resolve));
      response.end();
    });
    const gone = new AbortController();
    const { body } = await request(`${proxy?.server.url}/a`, {
      headers: { "accept-encoding": "gzip" },
      signal: gone.signal,
    });
    gone.abort();
    await expect(body.text()).rejects.toThrow();
    const got = await until(async () => {
      const one = await get("/a", "gzip");
      return one.cache === "HIT" && one;
    });
    expect(gunzipSync(got.body).length).toBe(40 * piece.length);
  });

  test("one flight for many that ask for the same coding, and none gets another's", async () => {
    const { origin } = await compressing(page);
    const codings = Array.from({ length: 60 }, (_, i) => ["br", "gzip", "identity"][i % 3] ?? "");
    const all = await Promise.all(codings.map((coding) => get("/a", coding)));
    expect(all.map(({ fields }) => fields["content-encoding"] ?? "identity")).toEqual(codings);
    // Who asks for the coding of the first shares its fetch, whatever the others find when it has landed.
    expect(origin.seen.length).toBeLessThanOrEqual(1 + (codings.length * 2) / 3);
  });
});

describe("what is not compressed", () => {
  test.each([
    ["an image", { "content-type": "image/png", "cache-control": "max-age=60" }, undefined],
    ["what must not be transformed", { ...HTML, "cache-control": "max-age=60, no-transform" }, undefined],
    ["what is small", { ...HTML, "content-length": "5" }, undefined],
    ["what its origin encoded", { ...HTML, "content-encoding": "gzip" }, "gzip"],
  ])("%s comes as it is", async (_what, fields, coding) => {
    const content = coding ? gzipSync(TEXT) : "content-length" in fields ? "hello" : TEXT;
    const { origin } = await compressing((_request, response) => void response.writeHead(200, fields).end(content));
    for (const outcome of ["MISS", "HIT"]) {
      const got = await get("/a", "gzip");
      expect([got.cache, got.fields["content-encoding"], got.body.equals(Buffer.from(content))]).toEqual([
        outcome,
        coding,
        true,
      ]);
      expect(got.fields.vary).toBe(coding && "Accept-Encoding");
    }
    // What varies on nothing is one response for all.
    expect((await get("/a", "br")).cache).toBe(coding ? "MISS" : "HIT");
    expect(origin.seen).toHaveLength(coding ? 2 : 1);
  });

  test("what is not kept comes as it is", async () => {
    await compressing(
      (_request, response) => void response.writeHead(200, { ...HTML, "cache-control": "no-store" }).end(TEXT),
    );
    const got = await get("/a", "br");
    expect([got.fields["content-encoding"], got.body.toString()]).toEqual([undefined, TEXT]);
  });

  test("what was stored before there was the rule is sent on as it is", async () => {
    const one = await startProxy(page);
    proxy = one;
    await get("/a", "br");
    one.server.useRules(rules);
    const got = await get("/a", "br");
    expect([got.cache, got.fields["content-encoding"], got.body.toString()]).toEqual(["HIT", undefined, TEXT]);
  });
});
