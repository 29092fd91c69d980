import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newToken, readTokens, tokenEntry } from "../../src/config/admin-tokens.js";
import { leaveRuntimeToken, runtimeToken } from "../../src/config/runtime-token.js";
import { startRedis } from "../support/redis-server.js";
import { startBinary } from "../support/run-binary.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const ORIGIN = ["--origin", "http://127.0.0.1:1", "--store", "memory:"];

describe("cache serve refuses at start, with exit 2 and in one line,", () => {
  const folder = tempDir("serve-admin");
  const file = (name: string, text: string, mode = 0o600) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const entry = JSON.stringify(tokenEntry(newToken(), "a", "viewer"));
  const secret = newToken();
  const good = file("good", `${entry}\n`);
  const wrong = [
    entry,
    "",
    "{",
    "[]",
    '{"name":"a"}',
    `{"name":"b","role":"root","sha256":"${secret}"}`,
    `{"token":"${secret}"}`,
  ];

  test.each([
    [
      "an admin API open to the world without tokens",
      ["--admin-host", "0.0.0.0"],
      "--admin-host: others can reach 0.0.0.0",
    ],
    ["one at an address of the network", ["--admin-host", "192.0.2.1"], "--admin-host: others can reach 192.0.2.1"],
    ["one with a name", ["--admin-host", "cache.internal"], "--admin-host: others can reach cache.internal"],
    [
      "one port for both that others can reach",
      [
        "--admin-host",
        "0.0.0.0",
        "--host",
        "0.0.0.0",
        "--port",
        "4000",
        "--admin-port",
        "4000",
        "--admin-tokens",
        good,
      ],
      "share a port that others can reach",
    ],
    [
      "one port for both, of which the proxy is open",
      ["--host", "0.0.0.0", "--port", "4000", "--admin-port", "4000"],
      "share a port",
    ],
    [
      "a name that is a URL",
      ["--admin-name", "https://admin.example.com"],
      '"https://admin.example.com" is no name of a host',
    ],
    ["one with a port", ["--admin-name", "a", "--admin-name", "b:4001"], '"b:4001" is no name of a host'],
    ["no port after the proxy's", ["--port", "65535"], "no port after 65535"],
    ["a token file that is not there", ["--admin-tokens", join(folder, "none")], "none can't be read (ENOENT)"],
    ["one that others can read", ["--admin-tokens", file("open", entry, 0o604)], "others can read"],
    ["one that a group can write", ["--admin-tokens", file("group", entry, 0o620)], "others can read"],
    ["one without a token", ["--admin-tokens", file("empty", "\n\n")], "there is no token in"],
    [
      "lines that are none, each with its place",
      ["--admin-tokens", file("wrong", wrong.join("\n"))],
      "wrong:3: is not JSON",
    ],
  ])("%s", async (_, args, said) => {
    const { code, stdout, stderr } = await runCli(["serve", ...ORIGIN, ...args], { cwd: folder });
    expect([code, stdout, stderr.split("\n")[0]]).toEqual([2, "", expect.stringContaining(said)]);
    expect(stderr).not.toContain(secret);
    const checked = await runCli(["serve", ...ORIGIN, ...args, "--check-config"], { cwd: folder });
    expect([checked.code, checked.stdout]).toEqual([2, expect.stringContaining(said)]);
  });

  test("and names every line that is none", () => {
    let said = "";
    try {
      readTokens(join(folder, "wrong"));
    } catch (error) {
      said = String(error);
    }
    for (const place of [3, 4, 5, 6, 7]) expect(said).toContain(`wrong:${place}: `);
    expect(said).toContain("role is not viewer or operator");
    expect(said).not.toContain(secret);
  });
});

describe("the token of a server", () => {
  const uid = process.getuid?.();

  test("is made at each start, found by the address, and gone when the server is", async () => {
    const home = tempDir("home");
    const env = { HOME: home };
    const tokens: (string | undefined)[] = [];
    for (let i = 0; i < 2; i++) {
      const running = startBinary(["serve", "--store", "memory:", "--port", "0"], { env });
      const said = await until(() => /the token of (\S+) is in (\S+)/.exec(running.stderr()), { timeoutMs: 15_000 });
      const [, url = "", path = ""] = said;
      const token = readFileSync(path, "utf8").trim();
      tokens.push(token);
      expect([statSync(path).mode & 0o777, statSync(join(path, "..")).mode & 0o777]).toEqual([0o600, 0o700]);
      expect([runtimeToken(url, env, uid), runtimeToken(url.replace("127.0.0.1", "localhost"), env, uid)]).toEqual([
        token,
        token,
      ]);
      const asked = await fetch(`${url}/cache/stats`, { headers: { authorization: `Bearer ${token}` } });
      expect(asked.status).toBe(200);
      running.kill("SIGTERM");
      const { code, stdout, stderr } = await running.result;
      expect([code, existsSync(path), runtimeToken(url, env, uid)]).toEqual([0, false, undefined]);
      expect(stdout.toString() + stderr).not.toContain(token);
    }
    expect(tokens[0]).not.toBe(tokens[1]);
  });

  test("of a file: read again on SIGHUP, and no other is made", async () => {
    const home = tempDir("home");
    const path = join(home, "admin.tokens");
    const [first, second] = [newToken(), newToken()];
    writeFileSync(path, JSON.stringify(tokenEntry(first, "a", "viewer")), { mode: 0o600 });
    const running = startBinary(["serve", "--store", "memory:", "--port", "0", "--admin-tokens", path], {
      env: { HOME: home },
    });
    const url = await until(() => /admin (http:\S+?),/.exec(running.stderr())?.[1], { timeoutMs: 15_000 });
    const ask = async (token: string) =>
      (await fetch(`${url}/cache/stats`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await ask(first), await ask(second)]).toEqual([200, 401]);
    writeFileSync(path, "nonsense");
    running.kill("SIGHUP");
    await until(() => running.stderr().includes("nothing is reloaded"));
    expect(await ask(first)).toBe(200);
    writeFileSync(path, JSON.stringify(tokenEntry(second, "b", "viewer")));
    running.kill("SIGHUP");
    await until(async () => (await ask(second)) === 200);
    expect(await ask(first)).toBe(401);
    // Whoever takes the last one away means it.
    writeFileSync(path, "\n");
    running.kill("SIGHUP");
    await until(async () => (await ask(second)) === 401);
    expect(existsSync(join(home, ".cache", "cachectl", "run"))).toBe(false);
    running.kill("SIGTERM");
    expect((await running.result).code).toBe(0);
  });

  test("of a file that the system hands out may be readable for a group that it has to itself", async () => {
    const [home, credentials] = [tempDir("home"), tempDir("credentials")];
    const path = join(credentials, "tokens");
    writeFileSync(path, JSON.stringify(tokenEntry(newToken(), "a", "viewer")), { mode: 0o600 });
    chmodSync(path, 0o440);
    const codeIn = async (folder: string) => {
      const argv = ["serve", "--store", "memory:", "--admin-tokens", path, "--check-config"];
      const running = startBinary(argv, { env: { HOME: home, CREDENTIALS_DIRECTORY: folder } });
      return (await running.result).code;
    };
    expect([await codeIn(credentials), await codeIn(home)]).toEqual([0, 2]);
  });

  test("is left in the runtime folder of the user where he has one, and found in both places", () => {
    const [runtime, home] = [tempDir("runtime"), tempDir("home")];
    const url = "http://127.0.0.1:4001";
    const service = leaveRuntimeToken(url, "of a service", { HOME: home }, uid);
    expect(runtimeToken(url, { HOME: home, XDG_RUNTIME_DIR: runtime }, uid)).toBe("of a service");
    const own = leaveRuntimeToken(url, "of a session", { HOME: home, XDG_RUNTIME_DIR: runtime }, uid);
    expect(readdirSync(join(runtime, "cachectl"))).toEqual(["admin-127.0.0.1-4001.token"]);
    expect(runtimeToken(url, { HOME: home, XDG_RUNTIME_DIR: runtime }, uid)).toBe("of a session");
    own.remove();
    service.remove();
    service.remove();
    expect(runtimeToken(url, { HOME: home, XDG_RUNTIME_DIR: runtime }, uid)).toBeUndefined();
  });

  test("of a newer server at the same address stays when the older one ends", () => {
    const env = { HOME: tempDir("home") };
    const url = "http://[::1]:4001";
    const older = leaveRuntimeToken(url, "older", env, uid);
    const newer = leaveRuntimeToken(url, "newer", env, uid);
    older.remove();
    expect(runtimeToken("http://localhost:4001", env, uid)).toBe("newer");
    newer.remove();
  });

  test("is not left where others can read it, nor taken from where they could have put it", () => {
    const runtime = tempDir("runtime");
    const env = { HOME: tempDir("home"), XDG_RUNTIME_DIR: runtime };
    mkdirSync(join(runtime, "cachectl"), { mode: 0o777 });
    chmodSync(join(runtime, "cachectl"), 0o777);
    const { path } = leaveRuntimeToken("http://127.0.0.1:4001", "t", env, uid);
    expect(statSync(join(runtime, "cachectl")).mode & 0o777).toBe(0o700);
    // As if it were another user's.
    expect(runtimeToken("http://127.0.0.1:4001", env, (uid ?? 0) + 1)).toBeUndefined();
    expect(() => leaveRuntimeToken("http://127.0.0.1:4001", "t", env, (uid ?? 0) + 1)).toThrow("not a folder of yours");
    expect(readFileSync(path, "utf8")).toBe("t\n");
  });

  test("can't be left: said, and the proxy runs all the same", async () => {
    const running = startBinary(["serve", ...ORIGIN, "--port", "0"], { env: { XDG_RUNTIME_DIR: "/proc/none" } });
    await until(() => running.stderr().includes("nobody can call the admin API"), { timeoutMs: 15_000 });
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr())?.[0];
    expect((await fetch(`${url}/a`)).status).toBe(502);
    running.kill("SIGTERM");
    expect((await running.result).code).toBe(0);
  });
});

describe("while the store is away", () => {
  test("reads go on with what stands in for it, and what is to be forgotten is pending", async () => {
    const [home, redis] = [tempDir("home"), await startRedis()];
    const stores = ["--store", redis.url, "--fallback", `file:${join(home, "standby")}`, "--timeout", "300ms"];
    const running = startBinary(["serve", ...stores, "--port", "0"], { env: { HOME: home } });
    const said = await until(() => /the token of (\S+) is in (\S+)/.exec(running.stderr()), { timeoutMs: 15_000 });
    const [, url = "", path = ""] = said;
    const headers = {
      authorization: `Bearer ${readFileSync(path, "utf8").trim()}`,
      "content-type": "application/json",
    };
    const call = async (method: string, route: string, body?: object) => {
      const answered = await fetch(url + route, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      return [answered.status, await answered.json()];
    };
    // The store may be connected to a little later.
    await until(async () => (await call("PUT", "/cache/entry?key=a", { v: 1 }))[0] === 200);
    await redis.stop();
    // It may be noticed by the first call only.
    await until(async () => (await call("GET", "/cache/entry?key=b"))[0] === 404);
    expect(await call("GET", "/health/ready")).toMatchObject([200, { status: "ready", degraded: true }]);
    expect(await call("DELETE", "/cache/entry?key=a")).toMatchObject([202, { pending: true }]);
    expect(await call("PUT", "/cache/entry?key=c", { v: 1 })).toMatchObject([
      202,
      { outcome: "stored", pending: true },
    ]);
    const purged = await call("POST", "/cache/purge", { tags: ["t"] });
    expect(purged).toMatchObject([202, { complete: false, pending: true }]);
    expect((await call("DELETE", "/cache/redis"))[0]).toBe(202);
    expect(await call("GET", "/cache/stats")).toMatchObject([
      200,
      { redis: { connected: false }, breaker: expect.stringMatching(/open|closed/), degraded: true },
    ]);
    running.kill("SIGTERM");
    expect((await running.result).code).toBe(0);
  });
});
