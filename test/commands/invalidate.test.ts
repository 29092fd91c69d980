import { existsSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HOSTILE_KEYS } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const KEYS = ["a:1", "a:2", "a[bc]", "ab", "b:1", "b:😀", "x*y", "xzy"];

async function filled(options = {}): Promise<Workspace> {
  const work = new Workspace();
  const records = KEYS.map((key) => ({ key, value: `v ${key}`, tags: key.startsWith("a") ? ["A", key] : ["B"] }));
  work.write("in.ndjson", records.map((record) => JSON.stringify(record)).join("\n"));
  await work.ok(["warm", "in.ndjson"], options);
  return work;
}

const left = (...gone: string[]) => KEYS.filter((key) => !gone.includes(key)).sort();
const names = (work: Workspace) => work.keys().sort();

describe("keys", () => {
  it("go without a question, and the rest stays", async () => {
    const work = await filled();
    const { stdout, stderr } = await work.ok(["invalidate", "a:1", "never", "x*y"]);
    expect([stdout, stderr]).toEqual([`deleted 2 entries from sqlite:${work.path("c.db")}\n`, ""]);
    expect(names(work)).toEqual(left("a:1", "x*y"));
    expect((await work.ok(["invalidate", "a:2"])).stdout).toMatch(/^deleted 1 entry from/);
  });

  it("can be any text", async () => {
    const work = new Workspace();
    for (const key of HOSTILE_KEYS) await work.ok(["set", "--", key, "1"]);
    for (const key of HOSTILE_KEYS) {
      const { json } = await work.ok(["invalidate", "--json", "--", key]);
      expect([key, json().deleted]).toEqual([key, 1]);
    }
    expect(work.keys()).toEqual([]);
  });

  it("come from a file, a line each, or standard input with NULs", async () => {
    const work = await filled();
    work.write("keys.txt", "\ufeffa:1\r\n\nb:😀\nnever\n");
    await work.ok(["invalidate", "--file", "keys.txt"]);
    expect(names(work)).toEqual(left("a:1", "b:😀"));
    await work.ok(["invalidate", "-f", "-", "-0", "ab"], { stdin: "x*y\0a[bc]\0" });
    expect(names(work)).toEqual(left("a:1", "b:😀", "ab", "x*y", "a[bc]"));
    await work.ok(["set", "two\nlines", "1"]);
    await work.ok(["invalidate", "--key-base64", Buffer.from("two\nlines").toString("base64")]);
    expect(names(work)).not.toContain("two\nlines");
    await work.ok(["invalidate", "-f", "-"], { stdin: "" });
    expect(await work.run(["invalidate", "-f", "none"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("none can't be read"),
    });
    expect(await work.run(["invalidate", "-0", "a:2"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("-0 is about the keys of --file"),
    });
  });

  it("are listed by keys -0 as invalidate takes them", async () => {
    const work = await filled();
    await work.ok(["set", "new\nline", "1"]);
    const { bytes } = await work.ok(["keys", "--prefix", "a", "-0"]);
    expect((await work.ok(["invalidate", "--file", "-", "-0", "--json"], { stdin: bytes })).json().deleted).toBe(4);
    expect(names(work)).toEqual(["new\nline", ...left("a:1", "a:2", "ab", "a[bc]")].sort());
  });
});

describe("conditions", () => {
  it.each([
    [
      ["--prefix", "a"],
      ["a:1", "a:2", "ab", "a[bc]"],
    ],
    [["--prefix", "a[bc]"], ["a[bc]"]],
    [["--prefix", "x*"], ["x*y"]],
    [["--match", "a[bc]"], ["ab"]],
    [["--match", "a\\[*"], ["a[bc]"]],
    [
      ["--match", "?:?"],
      ["a:1", "a:2", "b:1", "b:😀"],
    ],
    [["--match", "x\\*y"], ["x*y"]],
    [
      ["--tag", "B"],
      ["b:1", "b:😀", "x*y", "xzy"],
    ],
    [
      ["--tag", "a:1", "--tag", "ab"],
      ["a:1", "ab"],
    ],
    [["--tag", "A", "--tag", "ab", "--all-tags"], ["ab"]],
    [["--prefix", "a:", "--tag", "A", "--match", "*2"], ["a:2"]],
    [["--tag", "none"], []],
  ])("%j holds %j: exactly these go", async (argv, gone) => {
    const work = await filled();
    const dry = await work.ok(["invalidate", ...argv, "--dry-run"]);
    expect(dry.stdout.split("\n").slice(0, -1).sort()).toEqual([...gone].sort());
    expect(names(work)).toEqual(left());
    const { json } = await work.ok(["invalidate", ...argv, "--yes", "--json"]);
    expect(json()).toMatchObject({
      schema: "cache.invalidate/1",
      store: "sqlite",
      deleted: gone.length,
      complete: true,
    });
    expect(names(work)).toEqual(left(...gone));
  });

  it("takes what has expired without a question", async () => {
    const clock = new FakeClock();
    const work = await filled({ clock });
    await work.ok(["touch", "a:1", "b:1", "--ttl", "1s"], { clock });
    clock.advance(1000);
    expect((await work.ok(["invalidate", "--expired", "--dry-run"], { clock })).stdout).toBe("a:1\nb:1\n");
    expect((await work.ok(["invalidate", "--expired"], { clock })).stdout).toMatch(/^deleted 2 entries/);
    expect(names(work)).toEqual(left("a:1", "b:1"));
  });

  it("stays within the namespace", async () => {
    const work = new Workspace();
    for (const namespace of ["n", "nn", "m"]) await work.ok(["set", "k", "1", "-n", namespace]);
    await work.ok(["set", "n", "1"]);
    await work.ok(["invalidate", "--all", "-n", "n", "--confirm=n"]);
    expect(work.keys()).toEqual(["m:k", "n", "nn:k"]);
    await work.ok(["invalidate", "--prefix", "k", "-n", "m", "--yes"]);
    expect(work.keys()).toEqual(["n", "nn:k"]);
  });

  it("ends at --limit", async () => {
    const work = await filled();
    expect(
      (await work.ok(["invalidate", "--prefix", "a", "--limit", "3", "--dry-run"])).stdout.split("\n"),
    ).toHaveLength(4);
    expect((await work.ok(["invalidate", "--prefix", "a", "--limit", "3", "--yes", "--json"])).json()).toMatchObject({
      deleted: 3,
      complete: false,
    });
    expect(names(work)).toHaveLength(KEYS.length - 3);
  });

  it("keeps to --rate", async () => {
    const work = await filled();
    expect((await work.ok(["invalidate", "--prefix", "a", "--yes", "--rate", "1000000/s"])).code).toBe(0);
    expect(await work.run(["invalidate", "--prefix", "a", "--yes", "--rate", "fast"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("1000/s"),
    });
  });

  it.each([
    [[], "nothing says what"],
    [["a", "--prefix", "a"], "exclude each other"],
    [["--all", "--tag", "a"], "exclude each other"],
    [["--all", "a"], "exclude each other"],
    [["--prefix", ""], "every key"],
    [["--all-tags"], "needs --tag"],
    [["--match", "[a"], "closing bracket"],
    [["--prefix", "a", "--type", "hash"], "--type is for Redis"],

    [["--limit", "0", "a"], "--limit"],
  ])("%j is refused", async (argv, message) => {
    const work = await filled();
    expect(await work.run(["invalidate", "--yes", ...argv])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
    expect(names(work)).toEqual(left());
  });
});

describe("the second step of danger: many", () => {
  it.each([
    ["--prefix", "a"],
    ["--match", "a*"],
    ["--tag", "A"],
  ])("%s needs --yes where nobody can be asked: 7, at once", async (flag, value) => {
    const work = await filled();
    const { code, stdout, stderr } = await work.run(["invalidate", flag, value]);
    expect([code, stdout]).toEqual([7, ""]);
    expect(stderr).toContain("Say --yes if that is meant, or --dry-run");
    expect(names(work)).toEqual(left());
    // Nothing is opened or counted first: this store would not answer.
    const away = await work.bare(["invalidate", flag, value, "-s", "redis://127.0.0.1:1", "--json"]);
    expect([away.code, away.json().error?.code]).toEqual([7, "needs-confirmation"]);
  });

  it("shows a count and a sample, and Enter is no", async () => {
    const work = await filled();
    for (const typed of ["\n", "n\n"]) {
      const { code, stdout, stderr } = await work.run(["invalidate", "--tag", "A", "--no-color"], { typed });
      expect([code, stdout]).toEqual([7, ""]);
      expect(stderr).toContain(`This would delete 4 entries from sqlite:${work.path("c.db")}:\n  a:1\n`);
      expect(stderr).toContain("not confirmed, nothing was done");
    }
    expect(names(work)).toEqual(left());
  });

  it("goes on at y", async () => {
    const work = await filled();
    expect((await work.run(["invalidate", "--tag", "A"], { typed: "y\n" })).code).toBe(0);
    expect(names(work)).toEqual(left("a:1", "a:2", "ab", "a[bc]"));
    // With nothing to delete there is nothing to ask.
    expect(await work.run(["invalidate", "--tag", "A"], { typed: "" })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("deleted 0 entries"),
    });
  });

  it("asks nobody with --no-input", async () => {
    const work = await filled();
    for (const env of [{}, { CACHE_NO_INPUT: "1" }]) {
      const argv = ["invalidate", "--tag", "A", ...("CACHE_NO_INPUT" in env ? [] : ["--no-input"])];
      expect((await work.run(argv, { typed: "y\n", env })).code).toBe(7);
    }
    expect(names(work)).toEqual(left());
  });
});

describe("the third step of danger: everything", () => {
  it.each([["--all"], ["--match", "*"], ["--match", "**"], ["--match", "?*"], ["--match", "*?"]])(
    "%j %j needs the target's name, --yes is not enough",
    async (...argv) => {
      const work = await filled();
      const target = `sqlite:${work.path("c.db")}`;
      const { code, stderr } = await work.run(["invalidate", ...argv, "--yes"]);
      expect([code, stderr]).toEqual([
        7,
        `error: this would delete everything in ${target}\n  Say --confirm=${target} if that is meant.\n`,
      ]);
      const wrong = await work.run(["invalidate", ...argv, "--yes", "--confirm=c.db"]);
      expect([wrong.code, wrong.stderr]).toEqual([
        7,
        `error: --confirm names "c.db", the target is "${target}"\n  Say --confirm=${target} if that is meant.\n`,
      ]);
      expect(names(work)).toEqual(left());
      expect((await work.run(["invalidate", ...argv, `--confirm=${target}`])).code).toBe(0);
      expect(names(work)).toEqual([]);
    },
  );

  it("is not every glob with a star", async () => {
    const work = await filled();
    expect((await work.run(["invalidate", "--match", "??*", "--yes"])).code).toBe(0);
    expect((await work.run(["invalidate", "--match", "*:*", "--yes"])).code).toBe(0);
  });

  it("is the namespace's name where there is one", async () => {
    const work = new Workspace();
    for (const confirm of ["app", "app:"]) {
      await work.ok(["set", "k", "1", "-n", "app"]);
      expect((await work.run(["invalidate", "--all", "-n", "app", "--confirm=other"])).code).toBe(7);
      expect((await work.run(["invalidate", "--all", "-n", "app", `--confirm=${confirm}`])).code).toBe(0);
      expect(work.keys()).toEqual([]);
    }
  });

  it("is typed where somebody can be asked", async () => {
    const work = await filled();
    const target = `sqlite:${work.path("c.db")}`;
    expect((await work.run(["invalidate", "--all"], { typed: "yes\n" })).code).toBe(7);
    expect(names(work)).toEqual(left());
    expect((await work.run(["invalidate", "--all"], { typed: `${target}\n` })).code).toBe(0);
    expect(names(work)).toEqual([]);
  });
});

describe("before and after", () => {
  it("exits 3 with --fail-if-none where nothing matched", async () => {
    const work = await filled();
    expect((await work.run(["invalidate", "never", "--fail-if-none"])).code).toBe(3);
    expect((await work.run(["invalidate", "never"])).code).toBe(0);
    expect((await work.run(["invalidate", "--prefix", "never", "--yes", "--fail-if-none"])).code).toBe(3);
    expect((await work.run(["invalidate", "--prefix", "never", "--dry-run", "--fail-if-none"])).code).toBe(3);
    expect((await work.run(["invalidate", "a:1", "--fail-if-none"])).code).toBe(0);
  });

  it("says exactly in a dry run what would go, in every form", async () => {
    const work = await filled();
    const text = await work.ok(["invalidate", "--all", "--dry-run"]);
    expect(text.stdout.split("\n").slice(0, -1).sort()).toEqual(left());
    expect(text.stderr).toBe(`dry run: would delete 8 entries from sqlite:${work.path("c.db")}\n`);
    expect((await work.ok(["invalidate", "a:1", "never", "--dry-run", "--json"])).json()).toMatchObject({
      schema: "cache.invalidate/1",
      entries: [{ key: "a:1" }],
      dryRun: true,
      count: 1,
      exact: true,
    });
    const lines = (await work.ok(["invalidate", "--tag", "a:1", "--dry-run", "--ndjson"])).lines();
    expect(lines).toMatchObject([
      { type: "entry", key: "a:1" },
      { type: "summary", dryRun: true, count: 1 },
    ]);
    expect((await work.ok(["invalidate", "--prefix", "a", "--dry-run", "--read-only"])).code).toBe(0);
    expect(names(work)).toEqual(left());
  });

  it("backs up what goes, so that warm brings it back", async () => {
    const work = await filled();
    const before = work.rows();
    const { stderr } = await work.ok(["invalidate", "--tag", "A", "--yes", "--backup", "gone.ndjson"]);
    expect(stderr).toBe("4 entries exported to gone.ndjson\n");
    expect(statSync(work.path("gone.ndjson")).mode & 0o777).toBe(0o600);
    expect(names(work)).toHaveLength(4);
    // A file that is there is not overwritten, and nothing goes.
    const again = await work.run(["invalidate", "--tag", "B", "--yes", "--backup", "gone.ndjson"]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("exists already")]);
    expect(names(work)).toHaveLength(4);
    await work.ok(["warm", "gone.ndjson"]);
    expect(work.rows()).toEqual(before);
    const unwritable = await work.run(["invalidate", "--tag", "B", "--yes", "--backup", "no/such/dir/b.ndjson"]);
    expect([unwritable.code, names(work)]).toEqual([2, left()]);
  });

  it("deletes what has no stale window when it is soft, and counts it apart", async () => {
    const work = await filled();
    const { json } = await work.ok(["invalidate", "--tag", "A", "--soft", "--yes", "--json"]);
    expect(json()).toMatchObject({ deleted: 4, softened: 0 });
    expect((await work.ok(["invalidate", "b:1", "--soft"])).stdout).toMatch(/^marked 0 stale, deleted 1 entry from/);
  });

  it("counts deletions", async () => {
    const work = await filled();
    await work.ok(["invalidate", "--tag", "A", "--yes"]);
    await work.ok(["invalidate", "b:1", "never"]);
    expect((await work.ok(["stats", "--json"])).json().deletes).toBe(5);
  });

  it("does nothing where the store is away or may not be written", async () => {
    const work = await filled();
    const away = await work.bare(["invalidate", "a:1", "-s", "redis://127.0.0.1:1"]);
    expect([away.code, away.stdout]).toEqual([5, ""]);
    for (const argv of [
      ["a:1"],
      ["--tag", "A", "--yes"],
      ["--tag", "A"],
      ["--all", `--confirm=sqlite:${work.path("c.db")}`],
    ]) {
      const { code, stderr } = await work.run(["invalidate", ...argv, "--read-only"]);
      expect([code, stderr]).toEqual([7, expect.stringContaining("--read-only says read-only")]);
    }
    expect(names(work)).toEqual(left());
    expect((await work.bare(["invalidate", "a", "--read-only", "-s", "sqlite:none.db"])).code).toBe(7);
    expect(existsSync(work.path("none.db"))).toBe(false);
  });

  it("is quiet when asked, and one summary in NDJSON", async () => {
    const work = await filled();
    expect(await work.run(["invalidate", "a:1", "-q"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await work.ok(["invalidate", "a:2", "--ndjson"])).lines()).toEqual([
      expect.objectContaining({ type: "summary", deleted: 1 }),
    ]);
  });
});
