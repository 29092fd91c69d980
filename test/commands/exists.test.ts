import { describe, expect, it } from "vitest";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

describe("exists", () => {
  it("exits 0 if all are there and 3 if one is not", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", ""]);
    await work.ok(["set", "b", "null"]);
    expect(await work.run(["exists", "a", "b"])).toMatchObject({ code: 0, stdout: "yes\ta\nyes\tb\n", stderr: "" });
    expect(await work.run(["exists", "a", "c", "b"])).toMatchObject({ code: 3, stdout: "yes\ta\nno\tc\nyes\tb\n" });
    expect((await work.run(["exists", "c"])).code).toBe(3);
  });

  it("has an end to what exists", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "a", "1", "--ttl", "5s"], { clock });
    clock.advance(4999);
    expect((await work.run(["exists", "a"], { clock })).code).toBe(0);
    clock.advance(1);
    expect((await work.run(["exists", "a"], { clock })).code).toBe(3);
  });

  it("is a list as JSON and NDJSON", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", "1"]);
    const json = await work.run(["exists", "a", "b", "--json"]);
    expect([json.code, json.json()]).toEqual([
      3,
      {
        schema: "cache.exists/1",
        entries: [
          { key: "a", exists: true },
          { key: "b", exists: false },
        ],
        store: "sqlite",
        target: `sqlite:${work.path("c.db")}`,
        found: 1,
        missing: 1,
      },
    ]);
    const lines = (await work.run(["exists", "a", "b", "--ndjson"])).lines();
    expect(lines.map(({ type }) => type)).toEqual(["entry", "entry", "summary"]);
    expect(lines.at(-1)).toMatchObject({ found: 1, missing: 1 });
  });

  it("shows keys so that none can forge a line, and takes them as base64", async () => {
    const work = new Workspace();
    const key = "a\nyes\tb\u001b[31m";
    await work.ok(["set", "--", key, "1"]);
    expect(await work.run(["exists", key])).toMatchObject({ code: 0, stdout: "yes\ta\\nyes\\tb\\x1b[31m\n" });
    const base64 = Buffer.from(key).toString("base64");
    expect((await work.run(["exists", "--key-base64", base64, "--json"])).json()).toMatchObject({
      entries: [{ key, exists: true }],
    });
  });

  it("counts nothing", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", "1"]);
    await work.run(["exists", "a", "b"]);
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({ hits: 0, misses: 0 });
  });

  it("asks for a key", async () => {
    expect(await new Workspace().run(["exists"], { stdin: "a\n" })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("KEYS are missing"),
    });
  });

  it("may look at what is read-only", async () => {
    const work = new Workspace();
    await work.ok(["set", "a", "1"]);
    expect((await work.run(["exists", "a", "--read-only"])).code).toBe(0);
  });
});
