import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { timed } from "../measure.js";
import { writeRecords } from "../records.js";
import { startRedis } from "../redis.js";

const COUNTS = [10_000, 100_000, 1_000_000, 3_000_000];
const FORMATS = /** @type {const} */ (["object", "array", "ndjson"]);
const WATCH = join(import.meta.dirname, "../peers/peak-memory.cjs");

/** The most memory that a warm ever had, for sources of every size and form. One run each: a peak does not scatter as times do. */
export async function measure(work) {
  const binary = work.binary();
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const [source, database, note] = [work.path("source.json"), work.path("store.db"), work.path("peak")];
  /** @type {Record<string, number[]>} */
  const peaks = {};
  const warm = async (/** @type {string} */ name, /** @type {string} */ format, /** @type {string} */ store) => {
    const command = ["node", "--require", WATCH, binary, "warm", source, "--format", format, "-s", store, "--quiet"];
    await timed(command, { env: { ...work.env, PEAK_MEMORY_FILE: note } });
    peaks[name] = [...(peaks[name] ?? []), Number(readFileSync(note, "utf8")) / 1000];
    console.log(`  ${name}, records: ${COUNTS[peaks[name].length - 1]}: ${peaks[name].at(-1)?.toFixed(0)} MB`);
  };
  for (const count of COUNTS) {
    for (const format of FORMATS) {
      writeRecords(source, count, format);
      await warm(`${format} into SQLite`, format, `sqlite:${database}`);
      for (const end of ["", "-wal", "-shm"]) rmSync(`${database}${end}`, { force: true });
      if (format !== "ndjson") continue;
      await warm(`${format} into Redis`, format, redis.url);
      redis.cli("FLUSHALL", "SYNC");
    }
  }
  return Object.entries(peaks).flatMap(([name, megabytes]) => [
    {
      what: `peak memory, ${name}, 10,000 to 3M records`,
      peer: "(resident, the largest)",
      bound: "at most",
      wanted: 200,
      seen: Math.max(...megabytes),
      unit: "MB",
      samples: { records: COUNTS, megabytes },
    },
    {
      what: `peak memory, ${name}, 3M records`,
      peer: "its own with 1M records",
      bound: "at most",
      wanted: 1.1,
      seen: (megabytes.at(-1) ?? Number.NaN) / (megabytes.at(-2) ?? Number.NaN),
      unit: "×",
    },
  ]);
}
