import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { interleave, quantile, timed } from "../measure.js";
import { writeProtocol } from "../records.js";
import { startRedis } from "../redis.js";

const COUNT = 1_000_000;
const OTHERS = 1000;
const BYSTANDER = join(import.meta.dirname, "../peers/redis-bystander.js");

/** All keys of a prefix out of Redis, against the shell's way; and how long another client waits for a GET meanwhile. */
export async function measure(work) {
  const binary = work.binary();
  const protocol = work.path("records.resp");
  writeProtocol(protocol, COUNT, (i) => `p:${i}`);
  const others = work.path("others.resp");
  writeProtocol(others, OTHERS, (i) => `q:${i}`);
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const load = async (/** @type {string} */ path) => {
    const input = openSync(path, "r");
    await timed(["redis-cli", "-p", `${redis.port}`, "--pipe"], { input });
    closeSync(input);
  };
  /** @type {Record<string, number[]>} */
  const waits = { invalidate: [], shell: [] };
  const emptied = async (/** @type {string} */ name, /** @type {string[]} */ command) => {
    await load(protocol);
    await load(others);
    const bystander = watch(redis.port);
    await bystander.ready;
    const { ms } = await timed(command, { env: work.env });
    const { p99 } = await bystander.stop();
    waits[name]?.push(p99);
    const left = Number(redis.cli("DBSIZE"));
    if (left !== OTHERS) throw new Error(`${left} keys are left instead of ${OTHERS}`);
    return ms;
  };
  const shell = `redis-cli -p ${redis.port} --scan --pattern 'p:*' | xargs -n 1000 redis-cli -p ${redis.port} unlink`;
  const seen = await interleave({
    invalidate: () =>
      emptied("invalidate", ["node", binary, "invalidate", "--prefix", "p:", "--yes", "-s", redis.url, "--quiet"]),
    shell: () => emptied("shell", ["bash", "-c", shell]),
  });
  return [
    {
      what: "invalidate --prefix of 1M keys in Redis, its rate",
      peer: "redis-cli --scan | xargs -n 1000 redis-cli unlink",
      bound: "at least",
      wanted: 2.5,
      seen: seen.shell.median / seen.invalidate.median,
      unit: "×",
      samples: seen,
    },
    {
      what: "another client's GET meanwhile, p99",
      peer: `(meanwhile with redis-cli: ${quantile(waits.shell ?? [], 0.5).toFixed(2)} ms)`,
      bound: "at most",
      wanted: 3,
      seen: quantile(waits.invalidate ?? [], 0.5),
      unit: "ms",
      samples: waits,
    },
  ];
}

/**
 * Another client in a process of its own.
 * @param {number} port
 */
function watch(port) {
  const child = spawn("node", [BYSTANDER, `${port}`], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  let begun = () => {};
  const ready = new Promise((resolve) => {
    begun = () => resolve(undefined);
  });
  child.stdout.setEncoding("utf8").on("data", (text) => {
    said += text;
    begun();
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  return {
    ready,
    /** @returns {Promise<{ p99: number }>} */
    async stop() {
      child.stdin.end();
      await ended;
      return JSON.parse(said.slice(said.indexOf("\n")));
    },
  };
}
