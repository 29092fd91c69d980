import { describe, expect, it } from "vitest";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const START = 1_700_000_000_000;

describe("touch", () => {
  it("moves the deadline and leaves value and tags", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "k", "v", "--tag", "t"], { clock });
    clock.advance(1000);
    const { stdout } = await work.ok(["touch", "k", "--ttl", "10m"], { clock });
    expect(stdout).toBe("k expires: 10m\n");
    expect(work.row("k")).toEqual({ key: "k", value: Buffer.from("v"), tags: ["t"], expiresAt: START + 601_000 });
    expect((await work.ok(["touch", "k", "--ttl", "none"], { clock })).stdout).toBe("k expires: never\n");
    expect(work.row("k")?.expiresAt).toBeNull();
    clock.advance(86_400_000);
    expect((await work.run(["get", "k"], { clock })).stdout).toBe("v");
  });

  it("wakes nothing that has expired", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "k", "v", "--ttl", "1s"], { clock });
    clock.advance(1000);
    expect((await work.run(["touch", "k", "--ttl", "1h"], { clock })).code).toBe(3);
    expect((await work.run(["exists", "k"], { clock })).code).toBe(3);
  });

  it("touches what is there and exits 3 for what is not", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", "1"]);
    await work.ok(["set", "b", "1"]);
    const { code, stdout } = await work.run(["touch", "a", "x\ny", "b", "--ttl", "none"]);
    expect([code, stdout]).toEqual([3, "a expires: never\nx\\ny is not there\nb expires: never\n"]);
    expect(work.rows().map(({ expiresAt }) => expiresAt)).toEqual([null, null]);
  });

  it("is a list as JSON and NDJSON", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", "1"]);
    const base64 = Buffer.from("a").toString("base64");
    const { code, json } = await work.run(["touch", "b", "--key-base64", base64, "--ttl", "5s", "--json"]);
    expect([code, json()]).toMatchObject([
      3,
      {
        schema: "cache.touch/1",
        entries: [
          { key: "b", touched: false },
          { key: "a", touched: true, ttl: 5000 },
        ],
        touched: 1,
        missing: 1,
      },
    ]);
    const lines = (await work.ok(["touch", "a", "--ttl", "none", "--ndjson"])).lines();
    expect(lines).toMatchObject([
      { type: "entry", key: "a", ttl: null },
      { type: "summary", touched: 1, missing: 0 },
    ]);
  });

  it.each([
    [["touch", "k"], "--ttl is missing"],
    [["touch", "--ttl", "5m"], "KEYS are missing"],
    [["touch", "k", "--ttl", "0"], "would store nothing"],
    [["touch", "k", "--ttl", "keep"], "not a duration"],
  ])("%j is refused", async (argv, message) => {
    expect(await new Workspace().run(argv, { stdin: "k" })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
  });

  it("writes nothing where it may not", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "k", "v"], { clock });
    expect((await work.run(["touch", "k", "--ttl", "none", "--read-only"], { clock })).code).toBe(7);
    expect(work.row("k")?.expiresAt).toBe(START + 3_600_000);
  });
});
