import { afterAll, beforeAll, expect, it } from "vitest";
import { startSentinels } from "../support/redis-sentinel.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { Workspace } from "../support/workspace.js";

const SECRET = "correct horse battery";

let server: RedisServer;
let ca: string;

beforeAll(async () => {
  const users = [{ name: "app", password: SECRET }];
  server = await startRedis({ tls: true, password: "of-the-default-user", users });
  ca = server.tls?.ca ?? "";
});
afterAll(() => server.stop());

it("works over TLS with an ACL user, the authority from the URL, a flag or the environment", async () => {
  const work = new Workspace();
  const env = { CACHE_PASSWORD: SECRET, CACHE_REDIS_USERNAME: "app" };
  const url = `${server.url}?ca=${encodeURIComponent(ca)}`;
  expect((await work.bare(["set", "k", "over TLS", "-s", url], { env })).code).toBe(0);
  expect((await work.bare(["get", "k", "-s", server.url, "--redis-ca", ca], { env })).stdout).toBe("over TLS");
  const fromEnvironment = { ...env, CACHE_STORE: server.url, CACHE_REDIS_CA: ca };
  expect((await work.bare(["info", "--check"], { env: fromEnvironment })).code).toBe(0);
  expect(await redisCli(server, "GET", "k")).toBe("over TLS");
});

it("says so when the authority is not known, and never falls back to plain text", async () => {
  const { code, stderr } = await new Workspace(server.url).run(["get", "k"], { env: { CACHE_PASSWORD: SECRET } });
  expect(code).toBe(5);
  expect(stderr).toMatch(/certificate/i);
  expect(stderr).not.toContain(SECRET);
});

it("a wrong password is 4, and is not shown", async () => {
  const env = { CACHE_PASSWORD: "wr0ng", CACHE_REDIS_USERNAME: "app", CACHE_REDIS_CA: ca };
  const { code, stderr } = await new Workspace(server.url).run(["get", "k"], { env });
  expect([code, stderr.includes("wr0ng")]).toEqual([4, false]);
});

it("Sentinels over TLS have a password of their own, which is not that of the servers", async () => {
  const users = [{ name: "app", password: SECRET }];
  const set = await startSentinels({ replicas: 0, tls: true, sentinelPassword: "of-the-sentinels", users });
  try {
    const work = new Workspace();
    const store = ["-s", set.url, "--redis-ca", set.servers[0]?.tls?.ca ?? ""];
    const env = { CACHE_PASSWORD: SECRET, CACHE_REDIS_USERNAME: "app" };
    const own = { ...env, CACHE_SENTINEL_PASSWORD: "of-the-sentinels" };
    expect(await work.bare(["set", "k", "v", ...store], { env: own })).toMatchObject({ code: 0, stderr: "" });
    expect((await work.bare(["get", "k", ...store], { env: own })).stdout).toBe("v");
    const without = await work.bare(["get", "k", ...store], { env });
    expect(without.code).toBe(4);
    expect(without.stderr).toMatch(/the Sentinel rediss:.*\n.*password of their own/);
    expect((await work.bare(["info", ...store], { env: own })).stdout).not.toContain("of-the-sentinels");
  } finally {
    await set.stop();
  }
});
