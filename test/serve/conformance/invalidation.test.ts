import { describe, expect, test } from "vitest";
import { type Answer, type Resource, siteForTests } from "./site.js";

const site = siteForTests();
const FRESH = { "cache-control": "max-age=600" };

async function stored(change: Answer): Promise<Resource> {
  const resource = site.resource({ fields: FRESH }, change, { fields: FRESH });
  await resource.get();
  return resource;
}

/** Another URL, stored; and whether it still is when a change elsewhere names it. */
async function named(field: string, value: (path: string) => string, status = 200): Promise<string> {
  const other = site.resource({ fields: FRESH });
  await other.get();
  const resource = site.resource({ status, fields: { [field]: value(other.path) } });
  await resource.send("POST", {}, "x");
  return String((await other.get()).cache);
}

describe("invalidation", () => {
  test("RFC 9111 §4.4: a response that is no error to an unsafe method MUST invalidate the target", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      for (const status of [200, 201, 202, 204, 205, 299, 301, 303, 304]) {
        const resource = await stored({ status });
        await resource.send(method, {}, "x");
        expect((await resource.get()).cache, `${method} ${status}`).toBe("MISS");
      }
    }
  });

  test("RFC 9111 §4.4: a method of which it is not known whether it is safe MUST invalidate, too", async () => {
    for (const method of ["LOCK", "PROPPATCH", "MOVE", "BIND", "PURGE"]) {
      const resource = await stored({});
      await resource.send(method);
      expect((await resource.get()).cache, method).toBe("MISS");
    }
  });

  test("RFC 9111 §4.4: an error invalidates nothing", async () => {
    for (const status of [400, 403, 404, 409, 412, 500, 503]) {
      const resource = await stored({ status });
      await resource.send("PUT", {}, "x");
      expect((await resource.get()).cache, `${status}`).toBe("HIT");
    }
  });

  test("RFC 9111 §4.4: an origin that gives no answer invalidates nothing", async () => {
    const resource = await stored((_, response) => {
      response.destroy();
    });
    expect((await resource.send("DELETE")).status).toBe(502);
    expect((await resource.get()).cache).toBe("HIT");
  });

  test("RFC 9110 §9.2.1: a safe method invalidates nothing", async () => {
    for (const method of ["HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"]) {
      const resource = await stored({});
      await resource.send(method);
      expect((await resource.get()).cache, method).toBe("HIT");
    }
  });

  test("RFC 9111 §4.4: every stored variant of the target is invalidated", async () => {
    const vary = { ...FRESH, vary: "x-a" };
    const resource = site.resource({ fields: vary });
    expect(await resource.outcomes({ "x-a": "1" }, { "x-a": "2" }, { "x-a": "1" })).toBe("MISS MISS HIT");
    await resource.send("DELETE");
    expect(await resource.outcomes({ "x-a": "1" }, { "x-a": "2" })).toBe("MISS MISS");
  });

  test("RFC 9111 §4.4: the target with another query is another one", async () => {
    const other = site.resourceAt("/changed?x=1", { fields: FRESH });
    await other.get();
    await site.resourceAt("/changed", {}).send("POST", {}, "x");
    expect((await other.get()).cache).toBe("HIT");
  });

  test("RFC 9111 §4.4: what Location and Content-Location name may be invalidated", async () => {
    const { url } = site.proxy.server;
    for (const field of ["location", "content-location"]) {
      expect(await named(field, (path) => path), field).toBe("MISS");
      expect(await named(field, (path) => path.slice(1)), field).toBe("MISS");
      expect(await named(field, (path) => `${url}${path}`), field).toBe("MISS");
      expect(await named(field, (path) => `${url}/a/..${path}#part`), field).toBe("MISS");
    }
    expect(await named("location", (path) => path, 201)).toBe("MISS");
    expect(await named("location", (path) => path, 303)).toBe("MISS");
  });

  test("RFC 9111 §4.4: what has another origin than the target MUST NOT be invalidated", async () => {
    const { port, hostname } = new URL(site.proxy.server.url);
    const elsewhere = [
      `https://${hostname}:${port}`,
      `http://${hostname}:${Number(port) + 1}`,
      `http://example.com:${port}`,
      `//example.com`,
      `http://user@${hostname}:${port}`,
    ];
    for (const field of ["location", "content-location"]) {
      for (const origin of elsewhere) expect(await named(field, (path) => origin + path), origin).toBe("HIT");
    }
  });

  test("RFC 9111 §4.4: what an error names is not invalidated", async () => {
    expect(await named("location", (path) => path, 400)).toBe("HIT");
    expect(await named("content-location", (path) => path, 500)).toBe("HIT");
  });

  test("RFC 9111 §4.4: what the response to a safe method names is not invalidated", async () => {
    const other = site.resource({ fields: FRESH });
    await other.get();
    await site.resource({ fields: { location: other.path } }).send("OPTIONS");
    await site.resource({ status: 302, fields: { location: other.path } }).get();
    expect((await other.get()).cache).toBe("HIT");
  });

  test("RFC 9111 §4.4: the client hears of a change after the stored response is gone", async () => {
    for (let i = 0; i < 20; i++) {
      const resource = await stored({ status: 204 });
      await resource.send("DELETE");
      expect((await resource.get()).text).toBe("answer 3");
    }
  });

  test("RFC 9111 §4.4: a response that was under way while the target changed is not used for who asks later", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const resource = site.resource(
      async (_, response) => {
        await gate;
        response.writeHead(200, FRESH).end("before");
      },
      { status: 204 },
      { fields: FRESH, body: "after" },
    );
    const early = resource.get();
    await expect.poll(() => resource.asked).toBe(1);
    await resource.send("PUT", {}, "x");
    const late = resource.get();
    await expect.poll(() => resource.asked).toBe(3);
    go();
    expect([(await early).text, (await late).text]).toEqual(["before", "after"]);
    expect(await resource.get()).toMatchObject({ text: "after", cache: "HIT" });
  });
});
