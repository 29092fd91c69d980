import { copyFileSync, rmSync } from "node:fs";
import { interleave, timed } from "../measure.js";
import { writeRecords } from "../records.js";

const MATCHES = 25_000;
const SIZES = { small: 50_000, large: 500_000 };

/** The same number of rows out of a small store and a ten times larger one. */
export async function measure(work) {
  const binary = work.binary();
  const { Cache, openBackend, systemClock } = await work.core();
  const records = work.path("records.ndjson");
  for (const [name, size] of Object.entries(SIZES)) {
    const every = size / MATCHES;
    writeRecords(records, size, "ndjson", (i) => `${i % every === 0 ? "p" : "q"}:${i}`);
    await timed(["node", binary, "warm", records, "-s", `sqlite:${work.path(name)}`, "--ttl", "1d"], { env: work.env });
  }
  /** @type {Record<string, number[]>} */
  const processes = { small: [], large: [] };
  const copied = (/** @type {string} */ name) => {
    const path = work.path("copy.db");
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    copyFileSync(work.path(name), path);
    return path;
  };
  const inCore = (/** @type {string} */ name) => async () => {
    const context = { namespace: "", clock: systemClock, emit: () => {} };
    const cache = new Cache(await openBackend({ kind: "sqlite", path: copied(name) }, context), { clock: systemClock });
    const start = performance.now();
    const { deleted } = await cache.invalidate({ prefix: "p:" });
    const ms = performance.now() - start;
    await cache.close();
    if (deleted !== MATCHES) throw new Error(`${deleted} entries deleted instead of ${MATCHES}`);
    return ms;
  };
  const whole = (/** @type {string} */ name) => async () => {
    const store = `sqlite:${copied(name)}`;
    const { ms } = await timed(["node", binary, "invalidate", "--prefix", "p:", "--yes", "-s", store], {
      env: work.env,
    });
    processes[name]?.push(ms);
    return ms;
  };
  const seen = await interleave(
    { small: inCore("small"), large: inCore("large"), smallProcess: whole("small"), largeProcess: whole("large") },
    { runs: 7 },
  );
  const peer = "the same 25,000 in 50,000 rows";
  return [
    {
      what: "invalidate --prefix of 25,000 in 500,000 rows, SQLite: the call",
      peer,
      bound: "at most",
      wanted: 1.5,
      seen: seen.large.median / seen.small.median,
      unit: "×",
      samples: seen,
    },
    {
      what: "the same: the whole process",
      peer,
      bound: "at most",
      wanted: 1.5,
      seen: seen.largeProcess.median / seen.smallProcess.median,
      unit: "×",
    },
  ];
}
