import { afterEach, describe, expect, test } from "vitest";
import { startRedis } from "../support/redis-server.js";
import { runBinary } from "../support/run-binary.js";
import { Tmux, type TmuxOptions } from "../support/tmux.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

let terminal: Tmux | undefined;
afterEach(() => {
  terminal?.stop();
  terminal = undefined;
});

const WATCH = "cache stats --watch --interval 100ms; echo code=$?";

/** A shell on a store that holds a few entries. */
async function shell(options: TmuxOptions = {}): Promise<{ tmux: Tmux; work: Workspace }> {
  const work = new Workspace();
  work.write(
    "w.ndjson",
    ["b:1", "b:2", "b:3", "a:1"]
      .map((key) => `{"key":"${key}","value":"${"x".repeat(key === "a:1" ? 90 : 1)}"}`)
      .join("\n"),
  );
  await work.ok(["warm", "w.ndjson"]);
  terminal = await Tmux.start({ cwd: work.cwd, ...options, env: { CACHE_STORE: work.store, ...options.env } });
  return { tmux: terminal, work };
}

describe("stats --watch", () => {
  test("shows what another process does, sorts, stops, is resized, and quits", async () => {
    const { tmux, work } = await shell();
    const before = await tmux.state();
    await tmux.type(WATCH);
    await tmux.waitFor(/hits 0 +misses 0/);
    const look = () =>
      runBinary(["get", "a:1", "nothing", "--json"], { cwd: work.cwd, env: { CACHE_STORE: work.store } });
    await look();
    expect(await tmux.waitFor(/hits 1 +misses 1 \(50\.0%\)/)).toMatch(/lookups\/s.*[▂-█]/);

    const byBytes = await tmux.waitFor("TOP PREFIXES by bytes  of 4 entries");
    expect(byBytes.indexOf(" a:")).toBeLessThan(byBytes.indexOf(" b:"));
    await tmux.keys("s");
    const byEntries = await tmux.waitFor("TOP PREFIXES by entries");
    expect(byEntries.indexOf(" b:")).toBeLessThan(byEntries.indexOf(" a:"));

    await tmux.keys("p");
    await tmux.waitFor("PAUSED");
    await look();
    await tmux.keys("?");
    expect(await tmux.waitFor("begin the graphs")).toMatch(/hits 1 +misses 1/);
    await tmux.keys("?", "p");
    await tmux.waitFor(/hits 2 +misses 2/);

    for (const [columns, rows] of [
      [40, 10],
      [120, 40],
      [60, 12],
    ] as const) {
      await tmux.resize(columns, rows);
      const edges = new RegExp(`^cache stats.*every 100ms\\n(?:.*\\n){${rows - 2}}q quit .* help\\n$`);
      const lines = (await tmux.waitFor(edges)).split("\n");
      expect(lines.filter((line) => line.includes("every 100ms"))).toHaveLength(1);
      expect(lines[0]).toHaveLength(columns);
    }
    await tmux.keys("q");
    expect(await tmux.waitFor(/code=\d/)).toMatch(/watched sqlite:.*\n?.*4 lookups, 50\.0%[\s\S]*code=0/);
    expect(await tmux.state()).toEqual(before);
  });

  test.each([
    ["Ctrl-C", 130, async (tmux: Tmux) => tmux.keys("C-c")],
    ["SIGTERM", 143, async (tmux: Tmux) => process.kill(tmux.pid, "SIGTERM")],
    ["a crash", 1, async (tmux: Tmux) => process.kill(tmux.pid, "SIGUSR2")],
  ])("leaves the terminal as it was after %s", async (name, code, end) => {
    const { tmux, work } = await shell();
    // Nothing in the program throws at a signal: what an unforeseen error does is seen by one that is put into it.
    work.write("crash.cjs", 'process.on("SIGUSR2", () => { throw new Error("unforeseen"); });');
    const before = await tmux.state();
    await tmux.type(`clear; NODE_OPTIONS="--require ./crash.cjs" ${WATCH}`);
    await tmux.waitFor("q quit");
    await tmux.waitFor("answered in");
    await end(tmux);
    const after = await tmux.waitFor(/code=\d+/);
    expect(after).toContain(`code=${code}`);
    expect(after).not.toContain("q quit");
    expect(after).toContain(name === "a crash" ? "Error: unforeseen" : "watched sqlite:");
    expect(await tmux.state()).toEqual(before);
  });

  test("gives the terminal back while it is stopped, and goes on", async () => {
    const { tmux } = await shell();
    const before = await tmux.state();
    await tmux.type(WATCH);
    await tmux.waitFor("answered in");
    await tmux.keys("C-z");
    await tmux.waitFor("Stopped");
    expect(await tmux.state()).toEqual(before);
    await tmux.type("fg");
    await tmux.waitFor(/^cache stats[\s\S]*q quit/);
    await tmux.keys("q");
    await tmux.waitFor("watched sqlite:");
    expect(await tmux.state()).toEqual(before);
  });

  test("says that the store is away, goes on when it is back, and passes no control character of a key on", async () => {
    const server = await startRedis();
    try {
      const { tmux, work } = await shell({ env: { CACHE_STORE: server.url, CACHE_NAMESPACE: "app" } });
      const env = { CACHE_STORE: server.url, CACHE_NAMESPACE: "app" };
      const hostile = "\u001b]0;title\u0007\u001b[2J:1";
      const title = await tmux.title();
      await runBinary(["set", hostile, "x"], { cwd: work.cwd, env });
      await tmux.type(WATCH);
      await tmux.waitFor("\\x1b]0;title\\x07\\x1b[2J:");
      await server.kill();
      await tmux.waitFor(/✗ away for [\s\S]*away/);
      await server.restart();
      await tmux.waitFor("● answered");
      expect(await tmux.title()).toBe(title);
      await tmux.keys("Escape");
      expect(await tmux.waitFor(/code=\d/)).toMatch(/away for \d+ of \d+ looks[\s\S]*code=0/);
    } finally {
      await server.stop();
    }
  });
});

describe("stats --watch off a terminal", () => {
  test("is a line a look, with what was counted since; Ctrl-C is 130 with a sum", async () => {
    const { tmux, work } = await shell();
    await tmux.type("cache stats --watch --interval 100ms >out.ndjson; echo code=$?");
    const lines = () =>
      work
        .read("out.ndjson")
        .toString()
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    await until(() => lines().length > 1);
    await runBinary(["get", "a:1", "nothing", "--json"], { cwd: work.cwd, env: { CACHE_STORE: work.store } });
    await until(() => lines().some(({ hits, misses }) => hits === 1 && misses === 1), { timeoutMs: 10_000 });
    await tmux.keys("C-c");
    await tmux.waitFor("code=130");
    const all = lines();
    expect(all.at(-1)).toMatchObject({ type: "summary", hits: 1, misses: 1, hitRate: 0.5, interrupted: true });
    const moved = all.find(({ type, hits }) => type === "sample" && hits === 1);
    expect(moved.rates.lookups).toBeCloseTo(2000 / moved.elapsed, 1);
    expect(moved.tiers.sqlite).toMatchObject({ hits: 1, connected: true, entries: 4 });
  });

  test("ends quietly when nobody reads on", async () => {
    const { tmux } = await shell();
    await tmux.type("cache stats --watch --interval 100ms | head -2 >two; echo code=$PIPESTATUS $(wc -l <two)");
    expect(await tmux.waitFor(/code=\d/)).toContain("code=0 2");
  });
});
