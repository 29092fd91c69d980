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
