import { describe, expect, it } from "vitest";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

async function filled(clock = new FakeClock()): Promise<Workspace> {
  const work = new Workspace();
  for (const [key, size, ttl] of [
    ["a:1", 10, "1h"],
    ["a:2", 30, "2h"],
    ["b:1", 20, "30m"],
    ["plain", 5, "none"],
  ] as const) {
    await work.ok(["set", key, "x".repeat(size), "--ttl", ttl], { clock });
    clock.advance(1000);
  }
  return work;
}

/** Three hits and one miss. */
async function looked(work: Workspace, clock: FakeClock): Promise<void> {
  await work.run(["get", "a:1", "a:2", "never", "b:1", "--json"], { clock });
}

describe("stats", () => {
  it("sums what separate processes counted", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    await looked(work, clock);
    await work.run(["get", "a:1"], { clock });
    await work.ok(["invalidate", "b:1"], { clock });
    const { json } = await work.ok(["stats", "--json"], { clock });
    const counted = { hits: 4, misses: 1, sets: 4, deletes: 1, errors: 0, hitRate: 0.8 };
    expect(json()).toMatchObject({
      schema: "cache.stats/1",
      store: "sqlite",
      target: `sqlite:${work.path("c.db")}`,
      source: "cache",
      connected: true,
      errorRate: 0,
      entries: 3,
      bytes: 45,
      ...counted,
      tiers: { sqlite: { ...counted, connected: true } },
    });
  });

  it("is a table for people and one line of NDJSON", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    expect((await work.ok(["stats"], { clock })).stdout).toMatch(/^hit rate +no lookups yet$/m);
    await looked(work, clock);
    const { stdout } = await work.ok(["stats"], { clock });
    for (const line of [
      /^store +sqlite:\S+c\.db$/m,
      /^connected +yes$/m,
      /^hit rate +75\.0%$/m,
      /^hits +3$/m,
      /^entries +4$/m,
      /^size of values +65 B$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect((await work.ok(["stats", "--ndjson"], { clock })).lines()).toEqual([
      expect.objectContaining({ type: "summary", hits: 3, misses: 1 }),
    ]);
  });

  it("counts each namespace by itself", async () => {
    const work = new Workspace();
    await work.run(["get", "k", "-n", "app"]);
    expect((await work.ok(["stats", "-n", "app", "--json"])).json()).toMatchObject({ misses: 1, namespace: "app:" });
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({ misses: 0 });
  });

  it("groups by prefix, the largest first", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    expect((await work.ok(["stats", "--group-by", "prefix", "--json"], { clock })).json().groups).toEqual([
      { prefix: "a:", entries: 2, bytes: 40 },
      { prefix: "b:", entries: 1, bytes: 20 },
      { prefix: "", entries: 1, bytes: 5 },
    ]);
    const { stdout } = await work.ok(["stats", "--group-by", "prefix", "--prefix", "a", "--no-color"], { clock });
    expect(stdout).toMatch(/PREFIX +ENTRIES +SIZE\na: +2 +40 B\n$/);
  });

  it.each([
    ["size", ["a:2", "b:1"]],
    ["age", ["a:1", "a:2"]],
    ["ttl", ["b:1", "a:1"]],
  ])("lists the first by %s", async (by, keys) => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { json } = await work.ok(["stats", "--top", "2", "--by", by, "--json"], { clock });
    expect(json().top).toMatchObject(keys.map((key) => ({ key })));
    const { stdout } = await work.ok(["stats", "--top", "2", "--by", by], { clock });
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .slice(-2)
        .map((line) => line.split(/\s+/).at(-1)),
    ).toEqual(keys);
    if (by === "size")
      expect((await work.ok(["stats", "--top", "2", "--json"], { clock })).json().top).toEqual(json().top);
  });

  it("fails below a hit rate, unless there were too few lookups", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const none = await work.run(["stats", "--fail-below-hit-rate", "80"], { clock });
    expect([none.code, none.stderr]).toEqual([
      0,
      "warning: 0 lookups are too few to judge the hit rate\n  At least 1 are needed.\n",
    ]);
    await looked(work, clock);
    for (const rate of ["76", "75.1%", "100"]) {
      const { code, stderr } = await work.run(["stats", "--fail-below-hit-rate", rate], { clock });
      expect([code, stderr]).toEqual([3, `the hit rate of 75.0% is below ${Number.parseFloat(rate)}%\n`]);
    }
    for (const rate of ["75", "75%", "0"])
      expect((await work.run(["stats", "--fail-below-hit-rate", rate], { clock })).code).toBe(0);
    expect((await work.run(["stats", "--fail-below-hit-rate", "80", "--min-requests", "5"], { clock })).code).toBe(0);
    const json = await work.run(["stats", "--fail-below-hit-rate", "80", "--min-requests", "4", "--json"], { clock });
    expect([json.code, json.json().hitRate]).toEqual([3, 0.75]);
  });

  it("sets the counters to zero, where it may write", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    await looked(work, clock);
    expect((await work.run(["stats", "--reset", "--read-only"], { clock })).code).toBe(7);
    expect((await work.ok(["stats", "--read-only", "--json"], { clock })).json().hits).toBe(3);
    expect((await work.ok(["stats", "--reset"], { clock })).stdout).toBe(
      `counters of sqlite:${work.path("c.db")} set to zero\n`,
    );
    expect((await work.ok(["stats", "--json"], { clock })).json()).toMatchObject({
      hits: 0,
      misses: 0,
      sets: 0,
      hitRate: null,
      entries: 4,
    });
    expect((await work.ok(["stats", "--reset", "--json"], { clock })).json()).toMatchObject({
      schema: "cache.stats/1",
      reset: true,
    });
  });

  it.each([
    [["--by", "size"], "--by needs --top"],
    [["--by", "name", "--top", "3"], '--by: "name" is none of size, age, ttl'],
    [["--top", "0"], "Give 1 to 10000"],
    [["--top", "99999999999999999999"], "not a whole number from 1 to 10000"],
    [["--top", "10001"], "--top"],
    [["--group-by", "tag"], "none of prefix"],
    [["--prefix", "a"], "--prefix needs --group-by or --top"],
    [["--min-requests", "5"], "--min-requests needs --fail-below-hit-rate"],
    [["--fail-below-hit-rate", "101"], "percentage"],
  ])("%j is refused", async (argv, message) => {
    expect(await new Workspace().run(["stats", ...argv])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
  });

  it("exits 5 where the store is away", async () => {
    expect((await new Workspace("redis://127.0.0.1:1").run(["stats"])).code).toBe(5);
  });
});
