import { openFile } from "../../src/backends/file/index.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { systemClock } from "../../src/clock.js";

/**
 * A program that reads the key `k` again and again from memory over a store, as soon as the memory is in use, until its input ends. Whenever it gets another answer than before it prints a line: the answer (`-` for a miss,
 * `!` for a failure), and the time at which it had the one before for the last time, in milliseconds of the machine's monotonic clock, and for how many milliseconds meanwhile the machine did not let it run. At the end: the hits of its memory. Arguments: backend, and its
 * path or URL.
 */
const [kind = "", target = ""] = process.argv.slice(2);
const context = { namespace: "w:", clock: systemClock, emit: () => {} };

async function open() {
  if (kind === "redis") return openRedis({ ...context, url: target });
  return kind === "file"
    ? openFile({ ...context, path: target })
    : openSqlite({ ...context, path: target, wait: "async" });
}

const memory = openMemory(context);
const tiers = openTiered(
  [
    { name: "memory", backend: memory },
    { name: kind, backend: await open() },
  ],
  context,
);

async function read(): Promise<string> {
  try {
    const [entry] = await tiers.getMany(["k"]);
    return entry === undefined ? "-" : Buffer.from(entry.value).toString();
  } catch {
    return "!";
  }
}

while (!(await tiers.describe()).tiers?.[0]?.inUse) await systemClock.sleep(5);

/** Milliseconds between two reads where the machine has time for this process. */
const USUAL_MS = 10;

let ended = false;
process.stdin.on("end", () => {
  ended = true;
});
process.stdin.resume();
let last = "";
let had = systemClock.monotonic();
let starved = 0;
while (!ended) {
  const answer = await read();
  const before = had;
  had = systemClock.monotonic();
  starved += Math.max(0, had - before - USUAL_MS);
  if (answer !== last) {
    console.log(`${answer} ${before} ${starved}`);
    starved = 0;
  }
  last = answer;
  await systemClock.sleep(1);
}
const { tiers: counted = [] } = await tiers.counters();
console.log(`hits ${counted[0]?.counters.hits ?? 0}`);
await tiers.close();
