import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { SETTING_NAMES, settingSpec } from "../../src/config/settings.js";
import { Workspace } from "../support/workspace.js";

type Shown = { name: string; value: string | null; source: string; flag: string; env: string };

function isShown(value: unknown): value is Shown {
  return typeof value === "object" && value !== null && "name" in value && "source" in value;
}

const SHOWN = SETTING_NAMES.filter((name) => settingSpec(name).command === undefined && !settingSpec(name).invocation);

const settingsOf = (json: Record<string, unknown>): Shown[] =>
  Array.isArray(json.settings) ? json.settings.filter(isShown) : [];

describe("info", () => {
  it("names what can be used, the settings and where each comes from, and the store", async () => {
    const work = new Workspace();
    const { stdout } = await work.ok(["info", "--cache-ttl", "5m", "--no-color"], {
      env: { CACHE_NAMESPACE: "app", CACHE_PASSWORD: "s3cret" },
    });
    for (const kind of ["memory", "sqlite", "file", "redis"]) expect(stdout).toMatch(new RegExp(`^✓ ${kind}: `, "m"));
    expect(stdout).toMatch(/^cacheTtl +5m +--cache-ttl$/m);
    expect(stdout).toMatch(/^namespace +app +CACHE_NAMESPACE$/m);
    expect(stdout).toMatch(/^password +\*\*\* +CACHE_PASSWORD$/m);
    expect(stdout).toMatch(/^store +sqlite:\.\/c\.db +--store$/m);
    expect(stdout).toMatch(/^fallback +none +default$/m);
    expect(stdout).toMatch(/^✓ sqlite answers in [\d.]+ ms$/m);
    expect(stdout).toContain(`sqlite:${work.path("c.db")}, namespace app:`);
    expect(stdout).not.toContain("s3cret");
  });

  it("lists every setting in JSON, with its flag and variable", async () => {
    const work = new Workspace();
    const { json } = await work.ok(["info", "--json"]);
    expect(json()).toMatchObject({
      schema: "cache.info/1",
      store: "sqlite",
      target: `sqlite:${work.path("c.db")}`,
      healthy: true,
      fallback: "none",
      tiers: [{ name: "sqlite", ok: true }],
    });
    const shown = settingsOf(json());
    expect(shown.map(({ name }) => name)).toEqual(SHOWN);
    for (const { name, flag, env, value, source } of shown) {
      expect([name, flag.startsWith("--"), env.startsWith("CACHE_")]).toEqual([name, true, true]);
      expect([name, value === null]).toEqual([name, source === "not set"]);
    }
    expect(shown.find(({ name }) => name === "cacheTtl")).toEqual({
      name: "cacheTtl",
      flag: "--cache-ttl",
      env: "CACHE_TTL",
      value: "1h",
      source: "default",
    });
    expect((await work.ok(["info", "--ndjson"])).lines()).toEqual([
      expect.objectContaining({ type: "summary", healthy: true }),
    ]);
  });

  it("checks the store, and exits as its failure says", async () => {
    const work = new Workspace();
    expect((await work.ok(["info", "--check"])).stdout).toMatch(/^✓ sqlite answers in [\d.]+ ms \(sqlite:.*c\.db\)\n$/);
    const away = await work.bare(["info", "--check", "-s", "redis://127.0.0.1:1", "--json"]);
    expect([away.code, away.json()]).toMatchObject([
      5,
      {
        healthy: false,
        tiers: [{ name: "redis", ok: false, error: { code: expect.any(String), hint: expect.any(String) } }],
      },
    ]);
    // Without a check the failure is a finding, and everything else is still told.
    const shown = await work.bare(["info", "-s", "redis://127.0.0.1:1"]);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("✗ redis: ")]);
  });

  it("lists also what is not set", async () => {
    const { stdout } = await new Workspace().ok(["info", "--no-color"]);
    for (const name of SHOWN) expect(stdout).toMatch(new RegExp(`^${name} `, "m"));
    expect(stdout).toMatch(/^redisHost +- +not set$/m);
    expect(stdout).toMatch(/^timeout +- +not set$/m);
  });

  it("lets no server's answer move the cursor", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("data", () => socket.write("-ERR \u001b[2J\u001b]0;owned\u0007\r\n"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      const work = new Workspace(`redis://127.0.0.1:${port}`);
      for (const argv of [["info"], ["info", "--check"], ["info", "--verbose"]]) {
        const { stdout, stderr } = await work.run([...argv, "--no-color"], { env: { CACHE_PASSWORD: "x" } });
        expect(stdout).toMatch(/✗ redis: .*ERR .*owned/);
        expect(stdout + stderr).not.toMatch(/[\u0007\u001b]/);
      }
    } finally {
      server.close();
    }
  });

  it("knows a memory store", async () => {
    const { code, stdout } = await new Workspace("memory:").run(["info"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("✓ memory answers")]);
  });

  it("says that settings can't be right", async () => {
    const work = new Workspace();
    expect(await work.bare(["info"], { env: { CACHE_STORE: "nothing" } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('CACHE_STORE: "nothing" is not a store URL'),
    });
    expect(await work.bare(["info"], { env: { CACHE_TIMEOUT: "soon" } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('CACHE_TIMEOUT: "soon" is not a duration'),
    });
  });
});
