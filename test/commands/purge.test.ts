import { afterEach, describe, expect, it } from "vitest";
import { type ProxyUnderTest, startProxy } from "../serve/proxy-harness.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

let proxy: ProxyUnderTest | undefined;
afterEach(() => proxy?.stop());

const PATHS = ["/blog/1", "/blog/2", "/shop/a?x=1", "/vary"];

/** A workspace on whose store a proxy works, with responses in it. */
async function served(): Promise<{ work: Workspace; url: string; hits: () => Promise<string[]> }> {
  const work = new Workspace();
  const started = await startProxy(
    ({ url }, response) => {
      const tag = url.split("/")[1] ?? "";
      const more = url === "/vary" ? { vary: "x-a" } : {};
      response.writeHead(200, { "cache-control": "max-age=600", "cache-tag": `${tag},all`, ...more }).end(url);
    },
    { store: `sqlite:${work.path("c.db")}` },
  );
  proxy = started;
  for (const path of PATHS) await started.get(path);
  await started.get("/vary", { "x-a": "1" });
  const hits = async () => {
    const answers = await Promise.all(PATHS.map(async (path) => ({ path, got: await started.get(path, ONLY_STORED) })));
    return answers.filter(({ got }) => got.status === 200).map(({ path }) => path);
  };
  return { work, url: started.server.url, hits };
}

const ONLY_STORED = { "cache-control": "only-if-cached" };
const without = (...gone: string[]) => PATHS.filter((path) => !gone.includes(path));

describe("cache purge", () => {
  it("forgets URLs without a question, each with every variant", async () => {
    const { work, url, hits } = await served();
    const { stdout } = await work.ok(["purge", `${url}/blog/1`, `${url}/vary`]);
    expect(stdout).toBe(`forgot 2 entries of sqlite:${work.path("c.db")}, namespace http:\n`);
    await until(async () => (await hits()).length === 2);
    expect(await hits()).toEqual(without("/blog/1", "/vary"));
    expect((await proxy?.get("/vary", { "x-a": "1", ...ONLY_STORED }))?.status).toBe(504);
  });

  it.each([
    [["/blog/*"], ["/blog/1", "/blog/2"]],
    [
      ["--prefix", "URL/blog/"],
      ["/blog/1", "/blog/2"],
    ],
    [["URL/shop/*"], ["/shop/a?x=1"]],
    [["URL/shop/a?x=1"], ["/shop/a?x=1"]],
    [
      ["--tag", "blog", "--tag", "shop"],
      ["/blog/1", "/blog/2", "/shop/a?x=1"],
    ],
    [
      ["--tag", "blog", "--tag", "all", "--all-tags"],
      ["/blog/1", "/blog/2"],
    ],
  ])("%j", async (argv, gone) => {
    const { work, url, hits } = await served();
    const given = argv.map((text) => text.replace("URL", url));
    const dry = (await work.ok(["purge", ...given, "--dry-run", "--json"])).json();
    expect(dry).toMatchObject({ schema: "cache.purge/1", dryRun: true, count: gone.length, exact: true });
    expect((await hits()).length).toBe(PATHS.length);
    expect((await work.ok(["purge", ...given, "--yes", "--json"])).json()).toMatchObject({
      deleted: gone.length,
      complete: true,
      namespace: "http:",
    });
    await until(async () => (await hits()).length === PATHS.length - gone.length);
    expect(await hits()).toEqual(without(...gone));
  });

  it("asks for more than URLs, and for the name where it is everything", async () => {
    const { work, hits } = await served();
    for (const argv of [["/blog/*"], ["--tag", "blog"], ["--prefix", "http://127.0.0.1"]]) {
      const { code, stderr } = await work.run(["purge", ...argv]);
      expect([code, stderr.includes("--yes")]).toEqual([7, true]);
    }
    for (const glob of ["/*", "*://*", "*://*/*"]) {
      const { code, stderr } = await work.run(["purge", glob, "--yes"]);
      expect([glob, code, stderr.includes("--confirm=http")]).toEqual([glob, 7, true]);
    }
    expect((await hits()).length).toBe(PATHS.length);
    await work.ok(["purge", "/*", "--confirm=http"]);
    await until(async () => (await hits()).length === 0);
  });

  it("refuses what can't be right, before anything is done", async () => {
    const { work, url, hits } = await served();
    for (const argv of [
      [],
      ["blog/1"],
      ["ftp://h/x"],
      [`${url}/blog/1`, "blog/*"],
      ["--prefix", "/blog"],
      ["--all-tags", "/x/*"],
      ["/a[*"],
    ]) {
      expect([argv, (await work.run(["purge", ...argv, "--yes"])).code]).toEqual([argv, 2]);
    }
    expect((await work.run(["purge", `${url}/blog/1`, "--read-only"])).code).toBe(7);
    expect((await hits()).length).toBe(PATHS.length);
  });

  it("exits 3 where nothing was stored and that is asked for", async () => {
    const { work } = await served();
    expect((await work.run(["purge", "http://h/never", "--fail-if-none"])).code).toBe(3);
    expect((await work.run(["purge", "http://h/never"])).code).toBe(0);
  });

  it("softly marks as stale what its origin allows to use then", async () => {
    const { work, url } = await served();
    expect((await work.ok(["purge", `${url}/blog/1`, "--soft", "--json"])).json()).toMatchObject({
      schema: "cache.purge/1",
    });
    await until(async () => (await proxy?.get("/blog/1"))?.fields["x-cache"] !== "HIT");
  });

  it("exits 5 where the store is away", async () => {
    const work = new Workspace();
    expect((await work.bare(["purge", "http://h/a", "-s", "redis://127.0.0.1:1", "--timeout", "500ms"])).code).toBe(5);
  });
});
