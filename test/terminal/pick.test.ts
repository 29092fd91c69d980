import { afterEach, describe, expect, test } from "vitest";
import { Tmux } from "../support/tmux.js";
import { Workspace } from "../support/workspace.js";

let terminal: Tmux | undefined;
afterEach(() => {
  terminal?.stop();
  terminal = undefined;
});

const ENTRIES = {
  "page:1": { title: "one", tags: [1, 2] },
  "page:2": "two",
  "page:10": "ten",
  "user:1": "Ada",
  "user:2": "Grace",
  "evil\u001b]0;title\u0007": "\u001b[2J\u001b[31mred",
};

async function shell(): Promise<{ tmux: Tmux; work: Workspace }> {
  const work = new Workspace();
  work.write("w.json", JSON.stringify(ENTRIES));
  await work.ok(["warm", "w.json", "--format", "object"]);
  terminal = await Tmux.start({ cwd: work.cwd, env: { CACHE_STORE: work.store } });
  return { tmux: terminal, work };
}

describe("keys -i", () => {
  test("searches while one types, shows the value, and gives what was marked to a pipe", async () => {
    const { tmux, work } = await shell();
    const [before, title] = [await tmux.state(), await tmux.title()];
    await tmux.type("cache keys -i | tee out | wc -l; echo code=$PIPESTATUS");
    await tmux.waitFor("6 found");
    await tmux.keys("evil");
    expect(await tmux.waitFor("\\x1b[31mred")).toContain("evil\\x1b]0;title\\x07");
    await tmux.keys("C-u");
    await tmux.waitFor("6 found");
    await tmux.keys("*:1");
    expect(await tmux.waitFor("2 found")).toMatch(/❯ ○ page:1 .*\n {2}○ user:1 /);
    expect(await tmux.waitFor('"title": "one"')).toMatch(/"tags": \[\n +1,\n/);
    await tmux.keys("Tab", "Space");
    await tmux.waitFor("2 chosen, 2 found");
    await tmux.resize(40, 12);
    expect(await tmux.waitFor(/^Which keys\?(?:.*\n){11}enter take.*\n$/)).toMatch(/ {2}● page:1\n❯ ● user:1/);
    await tmux.keys("Enter");
    await tmux.waitFor(/^code=0$/m);
    expect(work.read("out").toString()).toBe("page:1\nuser:1\n");
    expect(await tmux.state()).toEqual(before);
    expect(await tmux.title()).toBe(title);
  });

  test.each([
    ["Escape", 7],
    ["C-d", 7],
    ["C-c", 130],
  ])("%s leaves it, and the terminal as it was", async (key, code) => {
    const { tmux } = await shell();
    const before = await tmux.state();
    await tmux.type("cache keys -i; echo code=$?");
    await tmux.waitFor("6 found");
    await tmux.keys(key);
    expect(await tmux.waitFor(/code=\d/)).toMatch(new RegExp(`nothing was chosen[\\s\\S]*code=${code}`));
    expect(await tmux.state()).toEqual(before);
  });

  test("needs a terminal, and no other words on which keys", async () => {
    const work = new Workspace();
    expect(await work.run(["keys", "-i"])).toMatchObject({ code: 2, stderr: expect.stringContaining("-i needs") });
    terminal = await Tmux.start({ env: { CACHE_STORE: work.store } });
    await terminal.type("cache keys -i --prefix a; TERM=dumb cache keys -i; echo code=$?");
    expect(await terminal.waitFor(/code=\d/)).toMatch(/--prefix says it[\s\S]*-i needs a terminal[\s\S]*code=2/);
  });
});

describe("invalidate with nothing named", () => {
  test("deletes what was marked, after the count and a yes, and nothing else", async () => {
    const { tmux, work } = await shell();
    await tmux.type("cache invalidate; echo code=$?");
    await tmux.waitFor("6 found");
    await tmux.keys("page:1");
    await tmux.waitFor("2 found");
    await tmux.keys("Tab", "C-u");
    await tmux.waitFor("1 chosen, 6 found");
    await tmux.keys("user:2");
    await tmux.waitFor("1 chosen, 1 found");
    await tmux.keys("Tab", "Enter");
    expect(await tmux.waitFor("delete 2 entries? (y/N)")).toMatch(/ {2}page:1\n {2}user:2\n/);
    expect(work.keys()).toHaveLength(6);
    await tmux.keys("y", "Enter");
    expect(await tmux.waitFor(/code=\d/)).toMatch(/deleted 2 entries[\s\S]*code=0/);
    expect(work.keys()).toEqual(["evil\u001b]0;title\u0007", "page:10", "page:2", "user:1"]);
  });

  test("takes all that match; everything needs the name of the target", async () => {
    const { tmux, work } = await shell();
    await tmux.type("cache invalidate; echo code=$?");
    await tmux.waitFor("6 found");
    await tmux.keys("page:");
    await tmux.waitFor("3 found");
    await tmux.keys("C-a", "Enter");
    await tmux.waitFor("delete 3 entries? (y/N)");
    await tmux.keys("n", "Enter");
    await tmux.waitFor("code=7");
    expect(work.keys()).toHaveLength(6);

    await tmux.type("clear; cache invalidate --dry-run; echo code=$?");
    await tmux.waitFor("6 found");
    await tmux.keys("page:");
    await tmux.waitFor("3 found");
    await tmux.keys("C-a", "Enter");
    expect(await tmux.waitFor(/code=\d/)).toMatch(/^page:1\npage:10\npage:2\ndry run: would delete 3 entries/m);

    await tmux.type("clear; cache invalidate; echo code=$?");
    await tmux.waitFor("6 found");
    await tmux.keys("C-a", "Enter");
    await tmux.waitFor("This would delete everything in");
    await tmux.keys("y", "Enter");
    await tmux.waitFor("code=7");
    expect(work.keys()).toHaveLength(6);
  });

  test("is a mistake where nobody could choose", async () => {
    const { tmux, work } = await shell();
    await tmux.type("cache invalidate --yes; cache invalidate --no-input; cache invalidate </dev/null; echo code=$?");
    expect(await tmux.waitFor(/code=\d/)).toMatch(/(?:nothing says what to invalidate[^=]*){3}code=2/);
    expect(await work.run(["invalidate"])).toMatchObject({ code: 2 });
    expect(work.keys()).toHaveLength(6);
  });
});
