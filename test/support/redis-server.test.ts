import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterEach, expect, test } from "vitest";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "./redis-server.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

const started: RedisServer[] = [];
async function start(...args: Parameters<typeof startRedis>) {
  const server = await startRedis(...args);
  started.push(server);
  return server;
}

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
});

const isRunning = (pid: number) => {
  try {
    return !execFileSync("ps", ["-o", "stat=", "-p", String(pid)])
      .toString()
      .startsWith("Z");
  } catch {
    return false;
  }
};

test("a plain server answers, keeps any bytes, and is gone with its folder after stop", async () => {
  const server = await start();
  const value = Buffer.from([0, 255, 10, 13, 128]);
  await redisCliBytes(server, ["SET", "k"], value);
  expect((await redisCliBytes(server, ["GET", "k"])).subarray(0, -1)).toEqual(value);
  await server.stop();
  expect(isRunning(server.pid)).toBe(false);
  expect(existsSync(server.dir)).toBe(false);
  await expect(redisCli(server, "PING")).rejects.toThrow();
});

test("a password and an ACL user with chosen rights", async () => {
  const server = await start({
    password: "geheim mit leer",
    users: [{ name: "app", password: "s3cret", rights: "~app:* +get +set +ping" }],
  });
  expect(await redisCli(server, "ACL", "WHOAMI")).toBe("default");
  expect(await redisCli({ ...server, password: undefined }, "GET", "k")).toContain("NOAUTH");
  const as = (...args: string[]) => redisCli(server, "--user", "app", "--pass", "s3cret", "--no-auth-warning", ...args);
  expect(await as("SET", "app:k", "v")).toBe("OK");
  expect(await as("SET", "other", "v")).toContain("NOPERM");
});

test("TLS with a CA of its own, and no plain port", async () => {
  const server = await start({ tls: true });
  expect(server.url).toMatch(/^rediss:/);
  expect(await redisCli(server, "SET", "k", "v")).toBe("OK");
  await expect(redisCli({ ...server, tls: undefined }, "PING")).rejects.toThrow();
});

test("extra configuration, a crash and a restart on the same port", async () => {
  const server = await start({ config: { maxmemory: "3mb", "maxmemory-policy": "noeviction" } });
  expect(await redisCli(server, "CONFIG", "GET", "maxmemory")).toContain("3145728");
  const before = server.pid;
  await server.kill();
  expect(isRunning(before)).toBe(false);
  await server.restart();
  expect(server.pid).not.toBe(before);
  expect(await redisCli(server, "DBSIZE")).toBe("0");
});

test("a replica follows its primary", async () => {
  const primary = await start();
  const replica = await start({ config: { replicaof: ["127.0.0.1", String(primary.port)] } });
  await redisCli(primary, "SET", "k", "v");
  await until(async () => (await redisCli(replica, "GET", "k")) === "v");
  expect(await redisCli(replica, "SET", "k", "w")).toContain("READONLY");
});

test("a paused server holds its clients until it is resumed", async () => {
  const server = await start();
  server.pause();
  let answered = false;
  const answer = redisCli(server, "PING").then((text) => {
    answered = true;
    return text;
  });
  await until(() =>
    execFileSync("ps", ["-o", "stat=", "-p", String(server.pid)])
      .toString()
      .startsWith("T"),
  );
  expect(answered).toBe(false);
  server.resume();
  expect(await answer).toBe("PONG");
});

test("bad configuration is an error that shows the server's own words", async () => {
  await expect(startRedis({ config: { "no-such-directive": "x" } })).rejects.toThrow("no-such-directive");
});

test("a test process that is killed leaves no server behind", async () => {
  const file = join(tempDir("orphan"), "start.mjs");
  buildSync({
    stdin: {
      contents: `import { startRedis } from "./redis-server.ts";
        startRedis().then((server) => console.log("pid", server.pid));
        setInterval(() => {}, 1000);`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: file,
  });
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const pid = Number((await until(() => /pid (\d+)\n/.exec(out), { timeoutMs: 20_000 }))[1]);
  expect(isRunning(pid)).toBe(true);
  child.kill("SIGKILL");
  await until(() => !isRunning(pid));
});
