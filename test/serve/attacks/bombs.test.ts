import { describe, expect, test } from "vitest";
import { attacked } from "./attacked.js";

const at = attacked({ store: "memory:?maxBytes=20MB" });
const FRESH = "Cache-Control: max-age=60\r\n";
const whole = (fields: string, body = "ok") =>
  `HTTP/1.1 200 OK\r\n${FRESH}${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const get = async (path: string, fields = "") =>
  (await at.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`)).response();

describe("heads that are too much: refused, at once", () => {
  test.each([
    ["fields of 40 kB", 431, `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`],
    ["fields without end", 431, `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${"a".repeat(200_000)}`],
    ["a name without end", 431, `GET / HTTP/1.1\r\nHost: a\r\n${"a".repeat(200_000)}`],
    ["300 lines", 431, `GET / HTTP/1.1\r\nHost: a\r\n${"a: b\r\n".repeat(300)}\r\n`],
    ["2,500 empty lines of fields", 431, `GET / HTTP/1.1\r\n${"a:\r\n".repeat(2500)}Host: a\r\n\r\n`],
    ["20,000 lines", 431, `GET / HTTP/1.1\r\nHost: a\r\n${"a: b\r\n".repeat(20_000)}\r\n`],
    ["a target of 9,000 octets", 414, `GET /${"a".repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ["a target without end", 431, `GET /${"a".repeat(200_000)}`],
    ["a method without end", 400, "A".repeat(200_000)],
    ["a query of 9,000 octets", 414, `GET /?${"a=1&".repeat(2250)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ])("%s: %i", async (_, status, bytes) => {
    const client = await at.send(bytes);
    expect(await client.response()).toMatchObject({ status });
    await client.over();
    expect(at.asked).toEqual([]);
  });

  test("256 lines and 8,000 octets of a target are taken", async () => {
    const client = await at.send(`GET /${"a".repeat(8000)} HTTP/1.1\r\nHost: a\r\n${"a: b\r\n".repeat(255)}\r\n`);
    expect(await client.response()).toMatchObject({ status: 200 });
    // With one more, the last line would be the one that is left out.
    const over = await at.send(`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(256)}Host: a\r\n\r\n`);
    expect(await over.response()).toMatchObject({ status: 431 });
  });
});

describe("Range", () => {
  const body = "0123456789".repeat(1000);
  test.each([
    ["as many as fit into a head", `bytes=${Array.from({ length: 5000 }, (_, i) => `${i % 10}-`).join(",")}`],
    ["overlapping ones", `bytes=${"0-,".repeat(50)}0-`],
    ["the same one 17 times", `bytes=${Array.from({ length: 17 }, () => "0-9999").join(",")}`],
    ["a unit that is none", "octets=0-1"],
    ["backwards", "bytes=5-1"],
    ["numbers beyond all numbers", `bytes=${"9".repeat(1000)}-${"9".repeat(1000)}`],
    ["not a number", "bytes=a-b"],
    ["a sign", "bytes=+0-+1"],
    ["three bounds", "bytes=0-1-2"],
    ["nothing", "bytes="],
    ["commas", `bytes=${",".repeat(20_000)}`],
  ])("%s: the whole, or 416; never more than was stored", async (_, range) => {
    at.answer = whole('ETag: "1"\r\n', body);
    await get("/ranges");
    const got = await get("/ranges", `Range: ${range}\r\n`);
    expect([200, 416]).toContain(got.status);
    expect(got.fields["x-cache"]).toBe("HIT");
    expect(got.body.length).toBeLessThanOrEqual(body.length);
  });

  test("some are answered, none twice", async () => {
    at.answer = whole('ETag: "1"\r\n', body);
    await get("/ranges");
    const some = await get("/ranges", "Range: bytes=0-0,5-6,-1\r\n");
    expect(some.status).toBe(206);
    expect(some.body.length).toBeLessThan(1000);
    const huge = await get("/ranges", `Range: bytes=9990-${"9".repeat(300)}\r\n`);
    expect(huge).toMatchObject({
      status: 206,
      body: "0123456789",
      fields: { "content-range": "bytes 9990-9999/10000" },
    });
  });

  test("of what is not stored: the origin is asked for the whole, once, however many ask for a part", async () => {
    at.answer = whole("", body);
    const parts = await Promise.all(Array.from({ length: 30 }, (_, i) => get("/parts", `Range: bytes=${i}-${i}\r\n`)));
    expect(parts.map(({ status }) => status)).toEqual(Array(30).fill(206));
    expect(at.asked).toHaveLength(1);
    expect(at.asked[0]).not.toMatch(/range:/i);
  });
});

describe("many of what costs", () => {
  /** Milliseconds for which another client has to wait meanwhile. */
  const longestWait = async (attack: () => Promise<unknown>) => {
    let longest = 0;
    let over = false;
    const other = (async () => {
      while (!over) {
        const began = performance.now();
        await at.proxy.get("/alive/other");
        longest = Math.max(longest, performance.now() - began);
      }
    })();
    await attack();
    over = true;
    await other;
    return longest;
  };

  test("names of fields and parameters made to collide take no longer than others", async () => {
    // Names that collide in V8's hash without its seed, and in DJB2 with 33 (`Aa` and `BB`).
    const collide = (bits: number) =>
      Array.from({ length: 2 ** bits }, (_, i) =>
        [...i.toString(2).padStart(bits, "0")].map((bit) => (bit === "0" ? "Aa" : "BB")).join(""),
      );
    const fields = collide(7)
      .map((name) => `${name}: x\r\n`)
      .join("");
    const query = collide(8)
      .map((name) => `${name}=1`)
      .join("&");
    const longest = await longestWait(async () => {
      for (let i = 0; i < 100; i++) {
        expect((await get(`/collide?${query}&i=${i}`, fields)).status).toBe(200);
      }
    });
    expect(longest).toBeLessThan(500);
  });

  test("a list of 32 kB in fields that are lists", async () => {
    const began = performance.now();
    for (const name of [
      "Accept-Encoding",
      "Accept",
      "Cache-Control",
      "Connection",
      "If-None-Match",
      "Via",
      "Vary",
      "TE",
      "Cookie",
      "X-Forwarded-For",
      "Forwarded",
      "Pragma",
      "Upgrade",
    ]) {
      for (const item of [",", "a,", '"a",', 'a="b\\"",', "a;q=0.1,", '"', " \t,", "max-age=1,", "close,", 'W/"a",']) {
        at.answer = whole("Vary: Accept-Encoding, Accept, Cookie\r\n");
        const got = await get("/lists", `${name}: ${item.repeat(Math.floor(30_000 / item.length))}\r\n`);
        expect([200, 304]).toContain(got.status);
      }
    }
    // 130 of them, one after the other.
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test("as long a list in fields of a response", async () => {
    const began = performance.now();
    for (const name of [
      "Vary",
      "Cache-Control",
      "Connection",
      "CDN-Cache-Control",
      "Surrogate-Key",
      "Cache-Tag",
      "xkey",
      "Age",
      "ETag",
      "Expires",
      "Date",
      "Trailer",
      "Cache-Status",
    ]) {
      for (const item of ["a,", "a ", '"a",', 'private="a, b",', "max-age=1,", "=", '"\\', " \t", "1,"]) {
        at.answer = whole(`${name}: x${item.repeat(Math.floor(50_000 / item.length))}\r\n`);
        expect((await get(`/response-lists/${name}`)).status).toBe(200);
      }
    }
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test("variants by the hundred: the store's bound holds, each client has its own, and a change forgets all at once", async () => {
    at.answer = (head, connection) => {
      const kind = /\r\nx-kind: (\S+)/i.exec(head)?.[1] ?? "";
      connection.send(whole("Vary: X-Kind\r\n", kind.padEnd(50_000)));
    };
    const ask = (kind: number) => at.proxy.get("/variants", { "x-kind": `k${kind}` });
    for (let i = 0; i < 600; i += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, j) => ask(i + j)));
      expect(answers.map(({ text }) => text.trim())).toEqual(answers.map((_, j) => `k${i + j}`));
    }
    expect((await ask(599)).fields["x-cache"]).toBe("HIT");
    const { bytes } = (await at.proxy.cache.stats()).info;
    expect(bytes).toBeGreaterThan(10_000_000);
    expect(bytes).toBeLessThanOrEqual(20_000_000);
    await at.proxy.send("POST", "/variants");
    expect((await ask(599)).fields["x-cache"]).toBe("MISS");
  });

  test("what varies each time on something else does not grow without end", async () => {
    const keys = async () => {
      let count = 0;
      for await (const key of at.proxy.cache.keys()) if (key.includes("/fickle")) count += 1;
      return count;
    };
    for (let i = 0; i < 50; i++) {
      at.answer = whole(`Vary: X-${i}\r\n`);
      await get("/fickle", `X-${i}: ${i}\r\n`);
    }
    expect(await keys()).toBe(1);
    at.answer = whole(`Vary: ${Array.from({ length: 5000 }, (_, i) => `X-${i}`).join(",")}\r\n`);
    for (let i = 0; i < 2; i++) expect((await get("/wide")).fields["cache-status"]).toContain("detail=vary");
    at.answer = whole(`Vary: ${"x".repeat(50_000)}\r\n`);
    for (let i = 0; i < 2; i++) expect((await get("/long")).fields["cache-status"]).toContain("detail=vary");
    at.answer = whole("Vary: *\r\n");
    for (let i = 0; i < 2; i++) expect((await get("/star")).fields["cache-status"]).toContain("detail=vary");
    expect(at.proxy.failures).toEqual([]);
  });

  test("tags by the thousand are cut, not refused nor a failure", async () => {
    at.answer = whole(`Surrogate-Key: ${Array.from({ length: 8000 }, (_, i) => `t${i}`).join(" ")}\r\n`);
    for (let i = 0; i < 2; i++) expect((await get("/tags")).status).toBe(200);
    expect(at.proxy.failures).toEqual([]);
  });

  test("connections by the hundred that say nothing hold nobody up", async () => {
    const idle = await Promise.all(Array.from({ length: 500 }, () => at.send("GET / HTTP/1.1\r\nHost:")));
    expect(
      await longestWait(async () => {
        for (let i = 0; i < 50; i++) await get(`/busy/${i}`);
      }),
    ).toBeLessThan(500);
    for (const client of idle) client.destroy();
  });
});
