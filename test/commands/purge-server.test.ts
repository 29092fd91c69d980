import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdminUnderTest, startAdmin } from "../serve/admin/admin-harness.js";
import { Gate } from "../support/gate.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

let server: AdminUnderTest;
let held: Gate | undefined;
beforeAll(async () => {
  server = await startAdmin({}, async (_request, response) => {
    const answer = `at ${server.origin.seen.length}`;
    await held?.opened;
    const fields = {
      "cache-control": "max-age=60, stale-while-revalidate=60",
      "cache-tag": "news",
      vary: "accept-language",
    };
    response.writeHead(200, fields).end(answer);
  });
});
afterAll(() => server.stop());

const cacheOf = async (language = "de") =>
  (await server.get("/blog/1", { "accept-language": language })).fields["x-cache"];
const purge = (...args: string[]) =>
  new Workspace(server.url).ok(["purge", ...args, "--json"], { env: { CACHE_TOKEN: server.tokens.operator } });

describe("cache purge of a running server", () => {
  test.each([
    ["a URL", () => [`${server.server.url}/blog/1`]],
    ["a glob", () => ["/blog/*", "--yes"]],
    ["a prefix", () => ["--prefix", `${server.server.url}/blog/`, "--yes"]],
    ["a tag", () => ["--tag", "news", "--yes"]],
  ])("by %s: every variant is gone at once", async (_, args) => {
    for (const language of ["de", "en"]) await cacheOf(language);
    expect([await cacheOf("de"), await cacheOf("en")]).toEqual(["HIT", "HIT"]);
    const dry = (await purge(...args(), "--dry-run")).json();
    expect(dry.count).toBeGreaterThan(0);
    expect(await cacheOf()).toBe("HIT");
    const { deleted, target } = (await purge(...args())).json();
    expect([deleted, target]).toEqual([dry.count, server.url]);
    expect([await cacheOf("de"), await cacheOf("en")]).toEqual(["MISS", "MISS"]);
  });

  test("while the response is on its way: it is not kept, and who asks then waits for no old one", async () => {
    await purge("/blog/*", "--yes");
    const begun = server.origin.seen.length;
    held = new Gate();
    const first = server.get("/blog/1");
    await until(() => server.origin.seen.length === begun + 1);
    await purge(`${server.server.url}/blog/1`);
    await until(async () => {
      await server.clock.advance(20);
      return server.origin.seen.length === begun + 1;
    });
    const second = server.get("/blog/1");
    await until(() => server.origin.seen.length === begun + 2);
    held.open();
    held = undefined;
    expect((await first).text).toBe(`at ${begun + 1}`);
    expect((await second).text).toBe(`at ${begun + 2}`);
    expect((await server.get("/blog/1")).text).toBe(`at ${begun + 2}`);
  });

  test("softly: what may be used stale is, while it is fetched anew", async () => {
    await purge("--tag", "news", "--yes");
    await cacheOf();
    const { softened } = (await purge("--tag", "news", "--soft", "--yes")).json();
    expect(softened).toBe(1);
    await server.clock.advance(1);
    expect(await cacheOf()).toBe("STALE");
    await until(async () => (await cacheOf()) === "HIT");
  });

  test("a viewer may not, and sees what would go", async () => {
    await cacheOf();
    const env = { CACHE_TOKEN: server.tokens.viewer };
    const refused = await new Workspace(server.url).run(["purge", "/blog/*", "--yes"], { env });
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("the token is that of a viewer")]);
    expect((await new Workspace(server.url).ok(["purge", "/blog/*", "--dry-run"], { env })).stdout).toContain(
      "/blog/1",
    );
    expect(await cacheOf()).toBe("HIT");
  });
});
