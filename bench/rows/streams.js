import { join } from "node:path";
import { interleave, quantile, timed } from "../measure.js";
import { startRedis } from "../redis.js";

const MEGABYTES = 100;
const PEER = join(import.meta.dirname, "../peers/stream-value.js");

/** A large value written and read piece by piece, in a process of its own for each store: what it adds to memory, and how long the event loop stands still. */
export async function measure(work) {
  const core = await work.corePath();
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const stores = { SQLite: `sqlite:${work.path("store.db")}`, files: `file:${work.path("files")}`, Redis: redis.url };
  /** @type {Record<string, { ms: number, stall: number, grown: number, grownSinceAnswer: number, grownSinceWarmUp: number }[]>} */
  const told = {};
  const run = (/** @type {string} */ name, /** @type {string} */ url) => async () => {
    const { stdout } = await timed(["node", PEER, core, url, `${MEGABYTES}`], { env: work.env });
    for (const [way, figures] of Object.entries(JSON.parse(stdout))) {
      told[`${name} ${way}`] = [...(told[`${name} ${way}`] ?? []), figures];
    }
    return 0;
  };
  const subjects = Object.entries(stores).map(([name, url]) => [name, run(name, url)]);
  await interleave(Object.fromEntries(subjects), { runs: 5, warmUps: 0 });
  return Object.entries(told).flatMap(([name, runs]) => {
    const rate =
      (MEGABYTES * 1000) /
      quantile(
        runs.map(({ ms }) => ms),
        0.5,
      );
    const what = `${MEGABYTES} MB, ${name.replace("written", "openWrite").replace("taken", "openRead")}`;
    const most = (/** @type {"stall" | "grown" | "grownSinceAnswer" | "grownSinceWarmUp"} */ of) =>
      Math.max(...runs.map((one) => one[of]));
    const peer = `at most in ${runs.length} runs`;
    return [
      {
        what: `${what} (${rate.toFixed(0)} MB/s): more resident memory than when the store was opened`,
        peer,
        bound: "at most",
        wanted: 64,
        seen: most("grown") / 1024 / 1024,
        unit: "MB",
        samples: { runs },
      },
      {
        what: "… than when it had answered once",
        peer,
        bound: "at most",
        wanted: 64,
        seen: most("grownSinceAnswer") / 1024 / 1024,
        unit: "MB",
      },
      {
        what: "… than after a value of 20 MB",
        peer,
        bound: "at most",
        wanted: 64,
        seen: most("grownSinceWarmUp") / 1024 / 1024,
        unit: "MB",
      },
      {
        what: "… longest stall of the event loop",
        peer,
        bound: "at most",
        wanted: 50,
        seen: most("stall"),
        unit: "ms",
      },
    ];
  });
}
