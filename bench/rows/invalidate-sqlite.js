import { copyFileSync, rmSync } from "node:fs";
import { interleave, timed } from "../measure.js";
import { writeRecords } from "../records.js";

const MATCHES = 25_000;
const SIZES = /** @type {const} */ ([50_000, 500_000]);

/** Where the matching rows lie among the others: written one after the other, or here and there over the whole time. */
const LAYOUTS = {
  together: (/** @type {number} */ i) => i < MATCHES,
  spread: (/** @type {number} */ i, /** @type {number} */ size) => i % (size / MATCHES) === 0,
};

/** The same number of rows out of a small store and a ten times larger one. */
export async function measure(work) {
  const binary = work.binary();
  const { Cache, openBackend, systemClock } = await work.core();
  const records = work.path("records.ndjson");
  /** @type {Record<string, () => Promise<number>>} */
  const subjects = {};
  for (const [layout, matches] of Object.entries(LAYOUTS)) {
    for (const size of SIZES) {
      const name = `${layout} ${size}`;
      const original = work.path(`${layout}-${size}.db`);
      writeRecords(records, size, "ndjson", (i) => `${matches(i, size) ? "p" : "q"}:${i}`);
      await timed(["node", binary, "warm", records, "-s", `sqlite:${original}`, "--ttl", "1d"], { env: work.env });
      subjects[name] = () => inCore(original);
      subjects[`${name} process`] = () => whole(original);
    }
  }
  const copied = (/** @type {string} */ original) => {
    const path = work.path("copy.db");
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    copyFileSync(original, path);
    return path;
  };
  const inCore = async (/** @type {string} */ original) => {
    const context = { namespace: "", clock: systemClock, emit: () => {} };
    const cache = new Cache(await openBackend({ kind: "sqlite", path: copied(original) }, context), {
      clock: systemClock,
    });
    const start = performance.now();
    const { deleted } = await cache.invalidate({ prefix: "p:" });
    const ms = performance.now() - start;
    await cache.close();
    if (deleted !== MATCHES) throw new Error(`${deleted} entries deleted instead of ${MATCHES}`);
    return ms;
  };
  const whole = async (/** @type {string} */ original) => {
    const command = ["node", binary, "invalidate", "--prefix", "p:", "--yes", "-s", `sqlite:${copied(original)}`];
    return (await timed(command, { env: work.env })).ms;
  };
  const seen = await interleave(subjects, { runs: 7 });
  return Object.keys(LAYOUTS).flatMap((layout) =>
    ["", " process"].map((scope) => {
      const [small, large] = SIZES.map((size) => seen[`${layout} ${size}${scope}`]);
      return {
        what: `invalidate --prefix of 25,000 in 500,000 rows, SQLite, rows ${layout}${scope === "" ? ", the call" : ", the process"}`,
        peer: "the same 25,000 in 50,000 rows",
        bound: /** @type {const} */ ("at most"),
        wanted: 1.5,
        seen: large.median / small.median,
        unit: /** @type {const} */ ("×"),
        samples: { small, large },
      };
    }),
  );
}
