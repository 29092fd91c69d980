import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { type RawAnswer, RawConnection, type RawOrigin, startRawOrigin } from "../raw.js";

let origin: RawOrigin;
let proxy: ProxyUnderTest;
let asked: string[];
let answer: RawAnswer;
const clients: RawConnection[] = [];
const OK = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok";

beforeEach(async () => {
  asked = [];
  answer = (_head, connection) => connection.send(OK);
  origin = await startRawOrigin((head, connection, body) => {
    asked.push(head.split(" ", 2).join(" "));
    // That it is broken off is what some tests are about.
    body.catch(() => {});
    return answer(head, connection, body);
  });
  proxy = await startProxy(() => {}, {
    options: { origins: [{ path: "/", url: origin.url }], headersTimeoutMs: 600, bodyTimeoutMs: 600 },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await origin.stop();
  await proxy.stop();
});

const answering = (cacheControl: string, status = "200 OK", more = "") => {
  answer = (_head, connection) =>
    connection.send(`HTTP/1.1 ${status}\r\nCache-Control: ${cacheControl}\r\n${more}Content-Length: 2\r\n\r\nok`);
};
const dead = () => {
  answer = (_head, connection) => connection.socket.resetAndDestroy();
};

describe("an origin that gives no response", () => {
  test("not there: 502; silent: 504; and used again when it answers", async () => {
    dead();
    expect(await proxy.get("/a")).toMatchObject({ status: 502, text: "The origin gave no valid response.\n" });
    answer = () => {};
    expect(await proxy.get("/a")).toMatchObject({ status: 504, text: "The origin did not answer in time.\n" });
    expect(await proxy.send("POST", "/a", {}, "x")).toMatchObject({ status: 504 });
    answer = (_head, connection) => connection.send(OK);
    expect(await proxy.get("/a")).toMatchObject({ status: 200, text: "ok" });
  });

  test("what it says of itself is not told to clients", async () => {
    await origin.stop();
    const { text, fields } = await proxy.get("/a");
    expect(JSON.stringify([text, fields])).not.toContain(new URL(origin.url).port);
    origin = await startRawOrigin();
  });

  test("all who wait for the same are told at once, and nobody asks in turn", async () => {
    let fail = () => {};
    answer = (head, connection) => {
      if (head.startsWith("GET /same")) fail = () => connection.destroy();
      else connection.send(OK);
    };
    for (let i = 0; i < 20; i++) clients.push(await RawConnection.to(proxy.server.url));
    for (const client of clients) client.send("GET /same HTTP/1.1\r\nHost: a\r\n\r\n");
    // What is answered now was sent after them.
    for (let i = 0; i < 5; i++) await proxy.get(`/other/${i}`);
    fail();
    const answers = await Promise.all(clients.map((client) => client.response()));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(502));
    expect(asked.filter((one) => one === "GET /same").length).toBeLessThanOrEqual(2);
  });
});

describe("with something stale in the store (RFC 9111 §4.2.4, RFC 5861 §4)", () => {
  const stale = async (cacheControl: string) => {
    answering(cacheControl, undefined, 'ETag: "1"\r\n');
    await proxy.get("/a");
    proxy.clock.advance(100_000);
  };

  test.each([
    ["max-age=60", 200],
    ["max-age=60, stale-if-error=600", 200],
    ["max-age=60, must-revalidate", 502],
    ["s-maxage=60", 502],
    ["max-age=60, proxy-revalidate", 502],
    ["no-cache", 502],
  ])("%s and no origin: %i", async (cacheControl, status) => {
    await stale(cacheControl);
    dead();
    expect(await proxy.get("/a")).toMatchObject({ status, ...(status === 200 && { fields: { "x-cache": "STALE" } }) });
    answer = () => {};
    expect((await proxy.get("/a")).status).toBe(status === 200 ? 200 : 504);
    answering(cacheControl);
    expect(await proxy.get("/a")).toMatchObject({ status: 200, fields: { "x-cache": "MISS" } });
  });

  test.each([
    ["max-age=60", 503],
    ["max-age=60, stale-if-error=600", 200],
    ["max-age=60, stale-if-error=10", 503],
    ["max-age=60, stale-if-error=600, must-revalidate", 503],
  ])("%s and an origin that answers 503: %i", async (cacheControl, status) => {
    await stale(cacheControl);
    answering("no-store", "503 Busy");
    expect((await proxy.get("/a")).status).toBe(status);
  });

  test("an answer to the question whether it is still good that is cut: what is stored is not touched", async () => {
    await stale("max-age=60, stale-if-error=600");
    answer = (_head, connection) =>
      connection.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nnew").end();
    await expect(proxy.get("/a")).rejects.toThrow();
    dead();
    expect(await proxy.get("/a")).toMatchObject({ status: 200, text: "ok", fields: { "x-cache": "STALE" } });
  });
});

describe("a kept connection that the origin gives up just when it is used (RFC 9112 §9.3.1)", () => {
  /** Answers the first request of each connection alone. */
  const once = () => {
    const served = new Set<RawConnection>();
    answer = (_head, connection) => {
      if (served.has(connection)) connection.socket.destroy();
      else connection.send(OK.replace("max-age=60", "no-store"));
      served.add(connection);
    };
  };

  test("what changes nothing is asked again, on another one", async () => {
    once();
    for (let i = 0; i < 6; i++) expect(await proxy.get(`/${i}`)).toMatchObject({ status: 200, text: "ok" });
    expect((await proxy.send("HEAD", "/head")).status).toBe(200);
    expect(asked.filter((one) => one === "GET /1").length).toBe(2);
  });

  test("what may change something is not", async () => {
    once();
    await proxy.get("/first");
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      expect((await proxy.send(method, `/${method}`, {}, "x")).status).toBe(502);
      expect(asked.filter((one) => one === `${method} /${method}`).length).toBe(1);
      await proxy.get(`/new/${method}`);
    }
  });

  test("an origin that gives up each time is asked twice at most", async () => {
    await proxy.get("/first");
    dead();
    expect((await proxy.get("/again")).status).toBe(502);
    expect(asked.filter((one) => one === "GET /again").length).toBeLessThanOrEqual(2);
  });
});

test("redirects without end are the client's to follow: one request, one answer", async () => {
  answer = (head, connection) =>
    connection.send(`HTTP/1.1 307 Again\r\nLocation: ${head.split(" ")[1]}\r\nContent-Length: 0\r\n\r\n`);
  expect((await proxy.get("/loop")).status).toBe(307);
  expect(asked).toHaveLength(1);
});

test("RFC 9110 §7.6.3: a proxy that is its own origin is found out", async () => {
  const own = await startProxy(() => {}, { options: { origins: [{ path: "/", url: "http://127.0.0.1:1" }] } });
  const port = Number(new URL(own.server.url).port);
  await own.stop();
  const looped = await startProxy(() => {}, {
    options: { port, origins: [{ path: "/", url: `http://127.0.0.1:${port}` }] },
  });
  expect((await looped.get("/loop")).status).toBe(508);
  await looped.stop();
});
