import { existsSync, readdirSync, statSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { FakeClock } from "../../support/fake-clock.js";
import { Workspace } from "../../support/workspace.js";

const work = new Workspace();
/** Stands still: a slow machine finds what there is all the same. */
const clock = new FakeClock();
const ENV = { CACHE_STORE: work.store };

/** What fish is told at a press of Tab: one word a line, with what it is about behind a tab. */
async function answer(words: readonly string[], env: Record<string, string> = ENV): Promise<string[]> {
  const { code, stdout, stderr } = await work.bare(["__complete", "fish", ...words], { env, clock });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.split("\n").slice(0, -1);
}

/** The words alone, without the three lines in front. */
async function offered(words: readonly string[], env?: Record<string, string>): Promise<string[]> {
  return (await answer(words, env)).slice(3).map((line) => line.replace(/\t.*/, ""));
}

/** What bash is told for a line that the cursor is at the end of, and of which readline would replace the last part. */
async function forBash(line: string, part: string): Promise<string[]> {
  return (await work.bare(["__complete", "bash", line, part], { env: ENV, clock })).stdout.split("\n").slice(0, -1);
}

beforeAll(async () => {
  for (const key of ["user:1:name", "user:1:mail", "user:2:name", "order:1", "-dash"])
    await work.ok(["set", "--", key, "v"]);
  await work.ok(["set", "app:in", "v"]);
  await work.run(["set", "there", "v", "-n", "shop"]);
  work.write(
    "cache.config.json",
    JSON.stringify({
      store: ["memory:", "sqlite:./c.db"],
      profiles: {
        dev: { namespace: "shop", store: "sqlite:./c.db" },
        "of ours": { namespace: "app", store: "redis://user:geheim@127.0.0.1:1/3", fallback: "file:./spare" },
      },
    }),
  );
});

describe("words", () => {
  test("commands with what they do, and those below a topic", async () => {
    const all = (await answer([""])).slice(3);
    expect(all).toContain("get\tShow the value of one or more keys.");
    expect(all).toContain("config\tconfig init, config show, config validate");
    expect(await offered(["co"])).toEqual(["completion", "config"]);
    expect(await offered(["config", ""])).toEqual(["init", "show", "validate"]);
    expect(await offered(["config", "v"])).toEqual(["validate"]);
    expect(await offered(["serve", ""])).toEqual(["token"]);
    expect(await offered(["help", "inv"])).toEqual(["invalidate"]);
    expect(await offered(["completion", ""])).toEqual(["bash", "zsh", "fish"]);
    expect(await offered(["no-such", ""])).toEqual([]);
  });

  test("flags of the command and of all, with what they mean, and none a second time", async () => {
    const flags = (await answer(["get", "--"])).slice(3);
    expect(flags).toContain("--meta\tadd TTL left, age, size, tags, tier, encoding and type");
    expect(flags.some((line) => line.startsWith("--store\t"))).toBe(true);
    expect(await offered(["get", "--meta", "--me"])).toEqual([]);
    expect(await offered(["get", "--store", "x", "--stor"])).toEqual(["--store"]);
    expect(await offered(["--vers"])).toEqual(["--version"]);
    expect(await offered(["-s", "x", "--jso"])).toEqual(["--json"]);
    expect(await offered(["get", "--", "--me"])).toEqual([]);
  });

  test("values that a flag can have, also stuck to it", async () => {
    expect(await offered(["stats", "--by", ""])).toEqual(["size", "age", "ttl"]);
    expect(await offered(["stats", "--by=a"])).toEqual(["--by=age"]);
    expect(await offered(["get", "--compression", "z"])).toEqual(["zstd"]);
    expect(await offered(["keys", "--type", "s"])).toEqual(["string", "set", "stream"]);
    expect(await offered(["get", "--timeout", ""])).toEqual([]);
  });

  test("files and folders are left to the shell, with what stays in front of them", async () => {
    expect(await answer(["warm", "da"])).toEqual(["files", "", "da"]);
    expect(await answer(["export", ""])).toEqual(["files", "", ""]);
    expect(await answer(["get", "k", "--output=lo"])).toEqual(["files", "--output=", "lo"]);
    expect(await answer(["get", "k", "-o", "lo"])).toEqual(["files", "", "lo"]);
    expect(await answer(["get", "--cache-dir", "x"])).toEqual(["folders", "", "x"]);
    expect(await answer(["get", "-s", "sqlite:./x"])).toEqual(["files", "sqlite:", "./x"]);
    expect(await forBash("cache get k > x", "x")).toEqual(["files"]);
  });
});

describe("of the settings", () => {
  test("profiles, namespaces and tiers", async () => {
    expect(await offered(["-p", ""])).toEqual(["dev", "of ours"]);
    expect(await offered(["get", "-p", "d"])).toEqual(["dev"]);
    expect(await offered(["get", "--namespace="])).toEqual(["--namespace=shop", "--namespace=app"]);
    expect(await offered(["get", "--tier", ""], {})).toEqual(["memory", "sqlite"]);
    expect(await offered(["-s", "memory:", "-s", "sqlite:a", "-s", "sqlite:b", "get", "--tier", ""])).toEqual([
      "memory",
      "sqlite:0",
      "sqlite:1",
    ]);
  });

  test("stores, but never one with a password", async () => {
    expect(await offered(["get", "-s", ""])).toEqual(
      expect.arrayContaining(["sqlite:./c.db", "memory:", "file:./spare", "redis://"]),
    );
    expect((await answer(["get", "-s", ""])).join("\n")).not.toMatch(/geheim|user/);
    expect(await offered(["get", "-s", "sqlite:./c"])).toEqual(["sqlite:./c.db"]);
  });
});

describe("keys", () => {
  test("of the store, namespace and profile that the line names so far", async () => {
    expect(await offered(["get", "user:1"])).toEqual(["user:1:mail", "user:1:name"]);
    expect(await offered(["get", "order:1", ""])).toContain("app:in");
    expect(await offered(["-n", "app", "get", ""])).toEqual(["in"]);
    expect(await offered(["get", "-p", "dev", ""], {})).toEqual(["there"]);
    expect(await offered(["get", "--store", "sqlite:./other.db", ""])).toEqual([]);
    expect(await offered(["set", "ord"])).toEqual(["order:1"]);
    expect(await offered(["set", "order:1", ""])).toEqual([]);
    expect(await offered(["get", "-s", "memory:", ""])).toEqual([]);
  });

  test("for a prefix, up to the next colon", async () => {
    expect(await offered(["keys", "--prefix", "us"])).toEqual(["user:"]);
    expect(await offered(["invalidate", "--prefix=user:"])).toEqual(["--prefix=user:1:", "--prefix=user:2:"]);
    expect(await offered(["warm", "--prefix", ""])).toEqual([]);
  });

  test("that begin with a dash only where they are no flags", async () => {
    expect(await offered(["get", ""])).not.toContain("-dash");
    expect(await offered(["get", "--", ""])).toContain("-dash");
  });

  test("a hundred at most, which have no more in common than all", async () => {
    const many = new Workspace();
    const records = Object.fromEntries(Array.from({ length: 2500 }, (_, i) => [`k:${String(i).padStart(4, "0")}`, i]));
    await many.ok(["warm", "-", "--format", "object"], { stdin: JSON.stringify({ ...records, "k:one": 1 }) });
    const ask = async (part: string) => {
      const { stdout } = await many.bare(["__complete", "bash", `cache get k:${part}`, part], {
        env: { CACHE_STORE: many.store },
        clock,
      });
      return stdout.split("\n").slice(1, -1);
    };
    const all = await ask("");
    expect(all.length).toBeLessThanOrEqual(101);
    // Not all were looked at: nothing is put into the line.
    expect(new Set(all.map((word) => word.charAt(0))).size).toBeGreaterThan(1);
    const { stdout } = await many.bare(["__complete", "fish", "get", "k:"], {
      env: { CACHE_STORE: many.store },
      clock,
    });
    expect(stdout).toMatch(/^k:\tand more$/m);
    const some = await ask("00");
    expect(some).toHaveLength(100);
    expect(some.at(-1)).toBe("0099");
  });

  test("are only read: nothing is counted, changed or made, and nobody is asked", async () => {
    const before = (await work.ok(["stats", "--json"])).json();
    const files = () => readdirSync(work.cwd).map((name) => [name, statSync(work.path(name)).size]);
    const there = files();
    await offered(["get", "user"]);
    expect((await work.ok(["stats", "--json"])).json()).toEqual(before);
    expect(files()).toEqual(there);
    expect(await offered(["get", "-s", "sqlite:./not-there.db", ""])).toEqual([]);
    expect(existsSync(work.path("not-there.db"))).toBe(false);
    expect(await offered(["get", "-s", "redis://127.0.0.1:1", "--ask-password", ""])).toEqual([]);
    expect(await offered(["get", "-s", "redis://127.0.0.1:1", "--password-file", "-", ""])).toEqual([]);
    work.write("notes.txt", "mine");
    expect(await offered(["get", "-s", "sqlite:./notes.txt", ""])).toEqual([]);
    expect(work.read("notes.txt").toString()).toBe("mine");
  });

  test("of a line that can't be right are none, in silence", async () => {
    expect(await offered(["get", "-p", "no-such", ""])).toEqual([]);
    expect(await offered(["get", "--tier", "no-such", ""])).toEqual([]);
    expect(await offered(["get", "--no-such", "user:2"])).toEqual(["user:2:name"]);
    expect(await offered([])).toContain("get");
    for (const shell of [[], ["tcsh", "get", ""]])
      expect(await work.bare(["__complete", ...shell], { env: ENV })).toMatchObject({
        code: 0,
        stdout: "",
        stderr: "",
      });
    work.write("broken/cache.config.json".replace("broken/", ""), "{");
    expect(await offered(["get", "user:2"])).toEqual([]);
  });
});

describe("what bash is to put in the place of the last part", () => {
  const quoted = new Workspace();
  const ask = async (line: string, part: string) => {
    const { stdout } = await quoted.bare(["__complete", "bash", line, part], {
      env: { CACHE_STORE: quoted.store },
      clock,
    });
    return stdout.split("\n").slice(0, -1);
  };
  beforeAll(async () => {
    for (const key of ["p q", "p'r", "x:$y", "x:$z", "solo!'\"$`\\"]) await quoted.ok(["set", "--", key, "v"]);
  });

  test("goes on in the quotes that are open", async () => {
    expect(await ask("cache get 'p ", "p ")).toEqual(["", "'p q'"]);
    expect(await ask('cache get "p ', "p ")).toEqual(["", '"p q"']);
    expect(await ask("cache get $'p ", "p ")).toEqual(["", "'p q'"]);
    expect(await ask("cache get x:", "")).toEqual(["", "\\$y", "\\$z"]);
    expect(await ask('cache get x:"', "")).toEqual(["", '"\\$y"', '"\\$z"']);
    expect(await ask("cache get so", "so")).toEqual(["", "solo\\!\\'\\\"\\$\\`\\\\"]);
    expect(await ask("cache get 'so", "so")).toEqual(["", "'solo!'\\''\"$`\\'"]);
    expect(await ask('cache get "so', "so")).toEqual(["", `"solo"'!'"'\\"\\$\\\`\\\\"`]);
  });

  test("never has half an escape in common", async () => {
    expect(await ask("cache get p", "p")).toEqual(["", "p\\ q", "p\\'r", "p"]);
  });

  test("is nothing where a word is an expansion, whose value is not known", async () => {
    expect(await ask("cache get $x", "$x")).toEqual([""]);
    expect(await ask('cache get "$(x)', "$(x)")).toEqual([""]);
    expect(await ask("cache get p\\", "p\\")).toEqual([""]);
  });
});
