import { existsSync, mkdirSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { binaryFolder, type InteractiveShell, SHELLS, startInteractive } from "../../support/interactive-shell.js";
import { runBinary, runProgram } from "../../support/run-binary.js";
import { Workspace } from "../../support/workspace.js";

/** Each begins with letters of its own, which are typed; the rest is what the shell must neither run, expand nor change. */
const HOSTILE: readonly string[] = [
  "aa plain words  twice",
  "ab$(touch CANARY)",
  "ad;touch CANARY;`touch CANARY`",
  "ae|touch CANARY&touch CANARY",
  "af'single'; touch CANARY; '",
  'ag"double"',
  "ah\\back\\\\slash",
  "ai:colon:and=equals@at",
  "aj$HOME$PATH$((1+1))",
  "ak*?[a-z]{a,b}",
  "al!!!event!$ #hash ~tilde %self ^caret^x^",
  "an(paren)<angle>CANARY",
  "ao\ttab",
  "ap\x01\x1b[31m\x07control\x7f",
  "ar\u0085c1\u009b31m\u202eright to left\u200b\ufeff",
  "asü 漢字 🎈",
  'au"; touch CANARY; "',
  "aw\nnewline\ntouch CANARY",
  "ay'\"`$\\",
  "az trailing ",
];

/** What the protocol of a shell can't say is not offered. */
const LEFT_OUT: Record<string, RegExp> = { bash: /^$/, zsh: /^$/, fish: /[\t\n\u0085]/ };

const work = new Workspace();
/** Takes connections and never says a word. */
let silent: Server;
let silentUrl: string;

beforeAll(async () => {
  silent = createServer((socket) => socket.on("error", () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  silentUrl = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  work.write("cache.config.json", JSON.stringify({ profiles: { "of us": { namespace: "shop" } } }));
  work.write("my data.json", "{}");
  mkdirSync(work.path("nested"));
  await work.ok(["set", "there", "v", "-n", "shop"]);
  for (const key of ["ba 1 first", "ba 1 second"]) await work.ok(["set", key, "v"]);
  for (const key of HOSTILE) await work.ok(["set", "--", key, "v"]);
  await work.ok(["set", "--", "-dash $(touch CANARY)", "v"]);
  await work.ok(["set", "--", "~tilde", "v"]);
  await work.ok(["set", "--", "=equals", "v"]);
});

describe.each(SHELLS)("%s", (name) => {
  let shell: InteractiveShell;
  beforeAll(async () => {
    shell = await startInteractive(name, work.cwd, { CACHE_STORE: work.store, CACHE_COMPLETION_TIMEOUT: "2s" });
  });
  afterAll(() => shell.end());

  test("completes commands, flags, values, profiles and files", async () => {
    expect(await shell.completed("cache inv")).toEqual(["invalidate"]);
    expect(await shell.completed("cache config val")).toEqual(["config", "validate"]);
    expect(await shell.completed("cache keys --larg")).toEqual(["keys", "--larger-than"]);
    expect(await shell.completed("cache stats --by s")).toEqual(["stats", "--by", "size"]);
    expect(await shell.completed("cache stats --by=s")).toEqual(["stats", "--by=size"]);
    expect(await shell.completed("cache -p of")).toEqual(["-p", "of us"]);
    expect(await shell.completed("cache warm my")).toEqual(["warm", "my data.json"]);
    expect(await shell.completed("cache set k --file my")).toEqual(["set", "k", "--file", "my data.json"]);
    expect(await shell.completed("cache set k --file=my")).toEqual(["set", "k", "--file=my data.json"]);
    // zsh takes the slash away again.
    expect((await shell.completed("cache get -s sqlite:./nest")).at(-1)).toMatch(/^sqlite:\.\/nested\/?$/);
    expect(await shell.completed("cache get -n shop the")).toEqual(["get", "-n", "shop", "there"]);
    expect(await shell.completed("cache -p 'of us' get the")).toEqual(["-p", "of us", "get", "there"]);
  });

  test("goes as far as all agree", async () => {
    expect(await shell.completed("cache get ba", "f\t")).toEqual(["get", "ba 1 first"]);
  });

  test("says nothing of a store that is away", async () => {
    // It is given up after what CACHE_COMPLETION_TIMEOUT says: once is enough.
    const away = [...(name === "bash" ? [silentUrl] : []), "redis://127.0.0.1:1", "sqlite:./not-there.db"];
    for (const url of away) expect(await shell.completed(`cache get -s ${url} aa`)).toEqual(["get", "-s", url, "aa"]);
    expect(existsSync(work.path("not-there.db"))).toBe(false);
    expect(shell.text()).not.toMatch(/error|ECONN|warning/);
  });

  test("completes each key to exactly that key, and runs no part of it", async () => {
    const keys = HOSTILE.filter((key) => !LEFT_OUT[name]?.test(key));
    const given = [];
    for (const key of keys) given.push((await shell.completed(`cache get ${key.slice(0, 2)}`)).slice(1));
    expect(given).toEqual(keys.map((key) => [key]));
    // C1 and what turns text around is never shown as it is.
    expect(shell.raw()).not.toMatch(/[\u0080-\u009f\u202e]/);
    expect(existsSync(work.path("CANARY"))).toBe(false);
  }, 60_000);

  test("goes on from open quotes, escapes and a colon", async () => {
    expect(await shell.completed("cache get 'aa pl")).toEqual(["get", "aa plain words  twice"]);
    expect(await shell.completed("cache get aa\\ pl")).toEqual(["get", "aa plain words  twice"]);
    expect(await shell.completed("cache get ai:colon:and=eq")).toEqual(["get", "ai:colon:and=equals@at"]);
    expect(await shell.completed("cache get 'ai:col")).toEqual(["get", "ai:colon:and=equals@at"]);
    expect(await shell.completed("cache get 'ab$")).toEqual(["get", "ab$(touch CANARY)"]);
    expect(await shell.completed('cache get "af')).toEqual(["get", "af'single'; touch CANARY; '"]);
    expect(await shell.completed("cache get 'af")).toEqual(["get", "af'single'; touch CANARY; '"]);
    expect(await shell.completed("cache get -- -")).toEqual(["get", "--", "-dash $(touch CANARY)"]);
    expect(existsSync(work.path("CANARY"))).toBe(false);
  });

  test("shows what there is, with what it is about where the shell has a place for that", async () => {
    const about = name === "bash" ? [] : ["Write an example", "Check a config file"];
    await shell.offered("cache config ", ["init", "show", "validate", ...about]);
  });
});

afterAll(() => new Promise((resolve) => silent.close(resolve)));

test("the binary answers within its bound, and ends, whatever a store still has open", async () => {
  const begun = performance.now();
  const { code, stdout, stderr } = await runBinary(["__complete", "fish", "get", "-s", silentUrl, "aa"], {
    cwd: work.cwd,
  });
  expect({ code, stdout: stdout.toString().trim(), stderr }).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(performance.now() - begun).toBeLessThan(4_500);
});

test("scripts are what their shells can read, and fish knows the words without a terminal", async () => {
  for (const name of SHELLS) {
    const { stdout } = await work.bare(["completion", name]);
    const { code, stderr } = await runProgram(name, ["-n", work.write(`script.${name}`, stdout)]);
    expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: "" });
  }
  const { stdout } = await runProgram(
    "fish",
    ["--no-config", "-c", "cache completion fish | source; complete -C 'cache get aa'"],
    {
      cwd: work.cwd,
      env: { HOME: work.cwd, CACHE_STORE: work.store, PATH: `${binaryFolder()}:${process.env.PATH}` },
    },
  );
  expect(stdout.toString()).toBe("aa plain words  twice\n");
});
