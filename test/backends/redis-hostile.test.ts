import { afterEach, describe, expect, test } from "vitest";
import { type Backend, readsForeign } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { respServer } from "../support/resp-server.js";

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** Replies of a server that holds one key, `k`, and runs no scripts. */
const REPLIES: Readonly<Record<string, string>> = {
  PING: "+PONG\r\n",
  INFO: "$0\r\n\r\n",
  SCAN: "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n",
  EXISTS: ":0\r\n",
  PTTL: ":-1\r\n",
  EVALSHA: "-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
  EVAL: "-NOPERM this user has no permissions to run the 'eval' command\r\n",
};
const WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

async function open(replies: Readonly<Record<string, string>>, greeting?: string): Promise<Backend> {
  const server = await respServer(([name = ""]) => ({ ...REPLIES, ...replies })[name] ?? WRONG_TYPE, greeting);
  ending.push(() => server.stop());
  const backend = await openRedis({ url: server.url, namespace: "", clock: systemClock, emit: () => {} });
  ending.push(() => backend.close());
  return backend;
}

describe("the name of a type", () => {
  test.each([
    ["\x1b[2Jgone", "unknown"],
    ["a b", "unknown"],
    ["x".repeat(40), "unknown"],
    ["", "unknown"],
    ["vectorset", "vectorset"],
    ["ReJSON-RL", "ReJSON-RL"],
  ])("%j is passed on as %s", async (said, type) => {
    const backend = await open({ TYPE: `$${said.length}\r\n${said}\r\n` });
    for (const fields of ["key", "all"] as const) {
      const found: unknown[] = [];
      for await (const page of backend.scan({ all: true, types: ["any"] }, { fields })) found.push(...page.entries);
      expect(found).toEqual([fields === "all" ? { key: "k", type } : { key: "k" }]);
    }
    if (!readsForeign(backend)) throw new Error("Redis has other types");
    expect(await backend.readForeign("k", 10)).toEqual({ type, items: expect.anything(), truncated: false });
  });
});

describe("a port of something else", () => {
  const HTTP = "HTTP/1.1 400 Bad Request\r\n\r\n";
  const none = { kind: "connection", code: "not-redis", retryable: false, hint: expect.stringContaining("port") };

  test.each([
    ["HTTP", undefined, HTTP],
    ["SSH", "SSH-2.0-OpenSSH_9.2\r\n", undefined],
    ["SMTP", "220 mail ESMTP\r\n", "500 what\r\n"],
    ["IMAP", "* OK ready\r\n", "* BAD\r\n"],
  ])("%s: said to be no Redis, at once, also where a database or a password is named", async (_, greeting, answer) => {
    const server = await respServer(() => answer, greeting);
    ending.push(() => server.stop());
    const context = { namespace: "", clock: systemClock, emit: () => {} };
    for (const more of [{}, { db: 1 }, { password: "p" }]) {
      const started = performance.now();
      const error = await openRedis({ ...context, ...more, url: server.url }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject(none);
      expect(String(error)).not.toMatch(/RESP|report this/);
      expect(performance.now() - started).toBeLessThan(2000);
    }
  });

  test("an error of an unknown kind is passed on with a hint", async () => {
    const error = await open({ PING: "-ERR whatever\r\n" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: "store", code: "store-error", hint: expect.stringContaining("log") });
    expect(String(error)).toContain("whatever");
  });
});
