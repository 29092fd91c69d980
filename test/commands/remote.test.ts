import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCache } from "../../src/library.js";
import { type AdminUnderTest, startAdmin } from "../serve/admin/admin-harness.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

let server: AdminUnderTest;
beforeAll(async () => {
  server = await startAdmin({ store: ["memory:", `sqlite:${tempDir("remote")}/c.db`] });
});
afterAll(() => server.stop());

/** The command line with the server as its store, as an operator unless it says otherwise. */
function terminal(as: "operator" | "viewer" = "operator") {
  const work = new Workspace(server.url);
  const env = { CACHE_TOKEN: server.tokens[as] };
  return {
    work,
    run: (argv: string[], stdin?: string | Buffer) => work.run(argv, { env, ...(stdin !== undefined && { stdin }) }),
    ok: (argv: string[], stdin?: string | Buffer) => work.ok(argv, { env, ...(stdin !== undefined && { stdin }) }),
  };
}

describe("a running server as the store", () => {
  test("is set, read, touched, listed, counted and invalidated; the server has it at once", async () => {
    const { ok, run } = terminal();
    await ok(["set", "k", '{"a":1}', "--tag", "t", "--ttl", "1h"]);
    expect(await server.cache.get("k")).toEqual({ a: 1 });
    expect((await ok(["get", "k"])).stdout).toBe('{"a":1}');
    expect((await ok(["exists", "k"])).code).toBe(0);
    expect((await run(["get", "other"])).code).toBe(3);
    await ok(["touch", "k", "--ttl", "none"]);
    expect((await server.cache.readMany(["k"], { want: "all" }))[0]?.expiresAt).toBeUndefined();
    await server.cache.set("of the server", "v");
    expect((await ok(["keys", "--json"])).json()).toMatchObject({
      store: "remote",
      target: server.url,
      entries: [{ key: "k", tags: ["t"] }, { key: "of the server" }],
    });
    expect((await ok(["stats", "--json"])).json()).toMatchObject({ target: server.url, connected: true });
    expect((await ok(["info", "--check"])).stdout).toContain("✓ remote answers in");
    expect((await ok(["invalidate", "--tag", "t", "--yes", "--json"])).json()).toMatchObject({ deleted: 1 });
    expect(await server.cache.get("k")).toBeUndefined();
    expect((await ok(["invalidate", "--all", `--confirm=${server.url}`, "--json"])).json()).toMatchObject({
      deleted: 1,
    });
  });

  test("tells what it has counted up to now, and forgets it when it is asked to", async () => {
    const { ok } = terminal();
    await ok(["stats", "--reset"]);
    await server.cache.get("nothing of that name");
    expect((await ok(["stats", "--json"])).json()).toMatchObject({ misses: 1 });
    await server.cache.get("nothing of that name");
    await ok(["stats", "--reset"]);
    expect((await ok(["stats", "--json"])).json()).toMatchObject({ misses: 0 });
  });

  test("says of each of its tiers what that holds, once and as it goes", async () => {
    const { work, ok } = terminal();
    await ok(["set", "held", "12345"]);
    await ok(["get", "held"]);
    const tiers = { memory: { entries: 1, bytes: 5, connected: true }, sqlite: { entries: 1, bytes: 5 } };
    expect((await ok(["stats", "--json"])).json()).toMatchObject({ tiers });
    const env = { CACHE_TOKEN: server.tokens.viewer };
    const [sample] = (await work.ok(["stats", "--watch"], { env, closedAfter: 1 })).lines();
    expect(sample).toMatchObject({ type: "sample", connected: true, tiers });
    const narrower = (await ok(["stats", "--json", "--namespace", "n"])).json();
    expect(narrower).toMatchObject({ tiers: { remote: expect.not.objectContaining({ entries: 1 }) } });
    await ok(["invalidate", "held"]);
  });

  test("takes every byte, keys that are paths, and values larger than a request", async () => {
    const { work, ok } = terminal();
    const key = "../..//a b?c#d%2e";
    const bytes = Buffer.from([0, 255, 10, 13, 128]);
    work.write("bytes", bytes);
    await ok(["set", key, "--file", "bytes"]);
    expect((await ok(["get", key])).bytes).toEqual(bytes);
    const large = Buffer.alloc(20_000_000, "0123456789abcdef");
    work.write("large", large);
    await ok(["set", "large", "--file", "large"]);
    expect((await ok(["get", "large"])).bytes.equals(large)).toBe(true);
    expect((await server.cache.getBytes("large"))?.length).toBe(large.length);
    await server.cache.clear();
  });

  test("is warmed from a file and exported into one", async () => {
    const { work, ok } = terminal();
    const records = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ key: `w:${i}`, value: { i } }));
    work.write("in.ndjson", records.join("\n"));
    expect((await ok(["warm", "in.ndjson", "--json"])).json()).toMatchObject({ stored: 3000 });
    expect(await server.cache.get("w:2999")).toEqual({ i: 2999 });
    const exported = (await ok(["export", "--prefix", "w:", "--ndjson"])).lines();
    expect(new Set(exported.map(({ key }) => key)).size).toBe(3000);
    await server.cache.clear();
  });

  test("is purged of responses by URL", async () => {
    const { ok } = terminal();
    expect((await server.get("/page")).fields["x-cache"]).toBe("MISS");
    expect((await server.get("/page")).fields["x-cache"]).toBe("HIT");
    await ok(["purge", `${server.server.url}/page`]);
    await until(async () => (await server.get("/page")).fields["x-cache"] === "MISS");
  });

  test("has its tiers one by one", async () => {
    const { ok, run } = terminal();
    await server.cache.set("tiered", 1);
    await ok(["invalidate", "tiered", "--tier", "memory"]);
    expect((await ok(["get", "tiered", "--tier", "sqlite"])).stdout).toBe("1");
    const refused = await run(["get", "tiered", "--tier", "redis"]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("redis")]);
  });

  test("obeys the role of the token, and knows no stranger", async () => {
    const viewer = terminal("viewer");
    await server.cache.set("seen", 1);
    expect((await viewer.ok(["get", "seen"])).stdout).toBe("1");
    const refused = await viewer.run(["set", "seen", "2"]);
    expect([refused.code, await server.cache.get("seen")]).toEqual([4, 1]);
    const { work } = viewer;
    for (const env of [{}, { CACHE_TOKEN: "wrong" }]) {
      const stranger = await work.run(["get", "seen"], { env });
      expect([stranger.code, stranger.stdout, stranger.stderr]).toEqual([
        4,
        "",
        expect.stringContaining("CACHE_TOKEN"),
      ]);
      expect(stranger.stderr).not.toContain("wrong");
    }
  });

  test("is a store of the library", async () => {
    const cache = await openCache({
      store: { kind: "remote", url: server.url, token: server.tokens.operator },
      namespace: "lib",
    });
    await cache.set("k", { own: true });
    expect(await server.cache.get("lib:k")).toEqual({ own: true });
    expect(await cache.getOrSet("loaded", () => 7)).toBe(7);
    await cache.close();
  });
});

describe("what is no server of ours", () => {
  test("is told in a line", async () => {
    const work = new Workspace("http://127.0.0.1:9");
    const away = await work.run(["get", "k"]);
    expect([away.code, away.stderr]).toEqual([5, expect.stringContaining("http://127.0.0.1:9 can't be reached")]);

    const foreign = createServer((_, response) => response.end("<html>"));
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    const address = foreign.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const answered = await new Workspace(`http://127.0.0.1:${port}`).run(["get", "k"]);
    foreign.close();
    expect([answered.code, answered.stderr]).toEqual([1, expect.stringContaining("admin port")]);
  });

  test("is given up when it says nothing", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const answered = await new Workspace(`http://127.0.0.1:${port}`).run(["get", "k", "--timeout", "200ms"]);
    silent.close();
    silent.closeAllConnections();
    expect([answered.code, answered.stderr]).toEqual([5, expect.stringMatching(/200 ms/)]);
  });
});
