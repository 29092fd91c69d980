import { describe, expect, it } from "vitest";
import { HOSTILE_KEYS } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

async function filled(clock = new FakeClock()): Promise<Workspace> {
  const work = new Workspace();
  await work.ok(["set", "p:1", "1234567890", "--ttl", "1h", "--tag", "t", "--tag", "u"], { clock });
  await work.ok(["set", "p:2", "12345", "--ttl", "none", "--tag", "t"], { clock });
  await work.ok(["set", "q\t1\n", "", "--ttl", "1m"], { clock });
  clock.advance(1500);
  return work;
}

describe("keys", () => {
  it("are lines with tabs where no person reads", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { stdout, stderr } = await work.ok(["keys"], { clock });
    expect(
      stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => line.split("\t")),
    ).toEqual([
      ["p:1", "3598500", "10", "1500", "t,u", "string"],
      ["p:2", "never", "5", "1500", "t", "string"],
      ["q\\t1\\n", "58500", "0", "1500", "", "string"],
    ]);
    expect(stderr).toBe("");
  });

  it("are a table under the store's name on a terminal", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { stdout, stderr } = await work.ok(["keys", "--no-color"], { clock, terminal: true });
    expect(stderr).toBe(`sqlite:${work.path("c.db")}\n`);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^TTL +SIZE +AGE +KEY$/);
    expect(lines[1]).toMatch(/^59m59s? +10 B +2s +p:1 #t #u$/);
    expect(lines[2]).toMatch(/^never +5 B +2s +p:2 #t$/);
    expect(lines[3]).toMatch(/^\S+ +0 B +2s +q\\t1\\n$/);
  });

  it("are a list in JSON and lines in NDJSON", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    expect((await work.ok(["keys", "--prefix", "p:", "--json"], { clock })).json()).toEqual({
      schema: "cache.keys/1",
      entries: [
        { key: "p:1", ttl: 3_598_500, size: 10, age: 1500, tags: ["t", "u"], valueType: "string" },
        { key: "p:2", ttl: null, size: 5, age: 1500, tags: ["t"], valueType: "string" },
      ],
      store: "sqlite",
      target: `sqlite:${work.path("c.db")}`,
      count: 2,
    });
    const lines = (await work.ok(["keys", "--ndjson"], { clock })).lines();
    expect(lines.map(({ type, key }) => [type, key])).toEqual([
      ["entry", "p:1"],
      ["entry", "p:2"],
      ["entry", "q\t1\n"],
      ["summary", undefined],
    ]);
    expect(lines.at(-1)).toMatchObject({ count: 3 });
    expect((await new Workspace().ok(["keys", "--json"])).json()).toMatchObject({ entries: [], count: 0 });
  });

  it.each([
    [
      ["--prefix", "p"],
      ["p:1", "p:2"],
    ],
    [
      ["--match", "*1*"],
      ["p:1", "q\t1\n"],
    ],
    [["--match", "?:2"], ["p:2"]],
    [
      ["--tag", "t"],
      ["p:1", "p:2"],
    ],
    [["--tag", "t", "--tag", "u", "--all-tags"], ["p:1"]],
    [["--no-ttl"], ["p:2"]],
    [["--larger-than", "5"], ["p:1"]],
    [
      ["--larger-than", "4B"],
      ["p:1", "p:2"],
    ],
    [["--tag", "t", "--larger-than", "5", "--prefix", "p"], ["p:1"]],
    [["--prefix", "none"], []],
  ])("%j lists %j, and counts as many", async (argv, expected) => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { json } = await work.ok(["keys", ...argv, "--json"], { clock });
    expect(json()).toMatchObject({ entries: expected.map((key) => ({ key })), count: expected.length });
    expect((await work.ok(["keys", ...argv, "--count"], { clock })).stdout).toBe(`${expected.length}\n`);
    expect((await work.ok(["keys", ...argv, "--count", "--json"], { clock })).json()).toMatchObject({
      count: expected.length,
      exact: true,
    });
    expect((await work.ok(["keys", ...argv, "-0"], { clock })).stdout).toBe(expected.map((key) => `${key}\0`).join(""));
  });

  it("are not those that have expired", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    clock.advance(60_000);
    expect((await work.ok(["keys", "--count"], { clock })).stdout).toBe("2\n");
    expect((await work.ok(["keys", "-0"], { clock })).stdout).toBe("p:1\0p:2\0");
  });

  it("come in parts with --limit and --cursor, each once", async () => {
    const work = new Workspace();
    work.write("in.json", JSON.stringify(Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`k${i}`, i]))));
    await work.ok(["warm", "in.json"]);
    const seen: string[] = [];
    let cursor: string[] = [];
    for (let part = 0; part < 10; part++) {
      const { stdout, stderr } = await work.ok(["keys", "--limit", "7", ...cursor]);
      seen.push(
        ...stdout
          .split("\n")
          .slice(0, -1)
          .map((line) => line.split("\t")[0] ?? ""),
      );
      const next = /^more: (--cursor) (\S+)\n$/.exec(stderr);
      if (!next) break;
      cursor = next.slice(1);
    }
    expect(seen.sort()).toEqual(work.keys().sort());
    const json = (await work.ok(["keys", "--limit", "7", "--json"])).json();
    expect((await work.ok(["keys", "--limit", "100", "--cursor", String(json.cursor), "--json"])).json()).toMatchObject(
      { count: 18 },
    );
    expect(await work.run(["keys", "--cursor", "\u0007nonsense"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no cursor"),
    });
  });

  it("show any text escaped in lines and as it is in JSON", async () => {
    const work = new Workspace();
    for (const key of HOSTILE_KEYS) await work.ok(["set", "--", key, "1"]);
    const { json } = await work.ok(["keys", "--json"]);
    const { entries } = json();
    expect(Array.isArray(entries) && entries.map(({ key }) => key).sort()).toEqual([...HOSTILE_KEYS].sort());
    const { stdout } = await work.ok(["keys"]);
    expect(stdout.split("\n")).toHaveLength(HOSTILE_KEYS.length + 1);
    expect(stdout.replaceAll(/[\t\n]/g, "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  it.each([
    [["keys", "extra"], 'no place for the argument "extra"'],
    [["keys", "--count", "--limit", "3"], "--count counts all"],
    [["keys", "--type", "hash"], "--type is for Redis"],
    [["keys", "--larger-than", "huge"], "--larger-than"],
    [["keys", "--prefixx", "a"], "Did you mean --prefix?"],
  ])("%j is refused", async (argv, message) => {
    expect(await new Workspace().run(argv)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
  });

  it("count nothing and change nothing", async () => {
    const work = await filled();
    const before = work.rows();
    await work.ok(["keys", "--read-only"]);
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({ hits: 0, misses: 0 });
    expect(work.rows()).toEqual(before);
  });

  it("stop quietly when nobody reads any more", async () => {
    const work = await filled();
    expect(await work.run(["keys"], { closedAfter: 1 })).toMatchObject({ code: 0, stderr: "" });
  });
});
