import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { interleave, timed } from "../measure.js";
import { TTL_MS, writeProtocol, writeRecords } from "../records.js";
import { startRedis } from "../redis.js";

const COUNT = 1_000_000;
const PIPELINE = join(import.meta.dirname, "../peers/redis-pipeline.js");

/** A file into an empty Redis, against redis-cli with the same entries already encoded, and a plain pipeline of ioredis. */
export async function measure(work) {
  const binary = work.binary();
  const [records, protocol] = [work.path("records.ndjson"), work.path("records.resp")];
  writeRecords(records, COUNT, "ndjson");
  writeProtocol(protocol, COUNT);
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const filled = async (/** @type {() => Promise<number>} */ fill) => {
    redis.cli("FLUSHALL", "SYNC");
    const ms = await fill();
    const size = redis.cli("DBSIZE");
    if (Number(size) !== COUNT) throw new Error(`${size} keys are there instead of ${COUNT}`);
    return ms;
  };
  const warm = ["node", binary, "warm", records, "-s", redis.url, "--ttl", `${TTL_MS}ms`, "--quiet"];
  const pipe = ["redis-cli", "-p", `${redis.port}`, "--pipe"];
  const seen = await interleave({
    warm: () => filled(async () => (await timed(warm, { env: work.env })).ms),
    pipe: () =>
      filled(async () => {
        const input = openSync(protocol, "r");
        try {
          return (await timed(pipe, { input })).ms;
        } finally {
          closeSync(input);
        }
      }),
    ioredis: () => filled(async () => (await timed(["node", PIPELINE, records, `${redis.port}`, `${TTL_MS}`])).ms),
  });
  const what = "warm 1M NDJSON records into Redis";
  return [
    {
      what,
      peer: "redis-cli --pipe, encoded beforehand",
      bound: "at most",
      wanted: 2,
      seen: seen.warm.median / seen.pipe.median,
      unit: "×",
      samples: seen,
    },
    {
      what,
      peer: "a pipeline of ioredis, 500 a batch",
      bound: "at most",
      wanted: 1,
      seen: seen.warm.median / seen.ioredis.median,
      unit: "×",
    },
  ];
}
