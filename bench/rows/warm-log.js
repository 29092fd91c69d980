import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { interleave, timed } from "../measure.js";
import { jsonOf, keyOf, TTL_MS, writeRecords } from "../records.js";
import { startRedis } from "../redis.js";

const COUNT = 1_000_000;
const LISTENER = join(import.meta.dirname, "../peers/log-listener.js");

/** A file into an empty Redis while another process with memory over it follows its log, against the same while nobody does. */
export async function measure(work) {
  const binary = work.binary();
  const core = await work.corePath();
  const records = work.path("records.ndjson");
  writeRecords(records, COUNT, "ndjson");
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const command = ["node", binary, "warm", records, "-s", redis.url, "--ttl", `${TTL_MS}ms`, "--quiet"];
  const warm = async () => {
    const { ms } = await timed(command, { env: work.env });
    // The listener has a log there, and its name in the list of those who listen.
    const size = Number(redis.cli("DBSIZE"));
    if (size < COUNT || size > COUNT + 2) throw new Error(`${size} keys are there instead of ${COUNT}`);
    return ms;
  };
  const seen = await interleave({
    heard: async () => {
      redis.cli("FLUSHALL", "SYNC");
      redis.cli("SET", keyOf(0), '"old"');
      const listener = listen([core, redis.url, keyOf(0)], work.env);
      await listener.ready;
      const ms = await warm();
      const { old, value, inUse } = await listener.end();
      if (old !== "old" || value?.id !== JSON.parse(jsonOf(0)).id || !inUse) {
        throw new Error(`the listener had ${old}, then ${JSON.stringify(value)}`);
      }
      return ms;
    },
    unheard: () => {
      redis.cli("FLUSHALL", "SYNC");
      redis.cli("SET", keyOf(0), '"old"');
      return warm();
    },
  });
  return [
    {
      what: "warm 1M NDJSON records into Redis, one listener on its log: the rate",
      peer: "without a listener",
      bound: "at least",
      wanted: 0.9,
      seen: seen.unheard.median / seen.heard.median,
      unit: "×",
      samples: seen,
    },
  ];
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function listen(args, env) {
  const child = spawn(process.execPath, [LISTENER, ...args], { stdio: ["pipe", "pipe", "inherit"], env });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = once(child, "close");
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the listener ended");
    return value;
  };
  return {
    ready: next(),
    async end() {
      child.stdin.write("go\n");
      const said = JSON.parse(await next());
      await closed;
      process.off("exit", kill);
      return said;
    },
  };
}
