import { haveTraces, replay, TRACES } from "../traces.js";

const SIZES = [250, 500, 1000, 2000];
const POLICIES = ["lru", "lfu", "fifo", "ttl", "w-tinylfu"];

/** What was published, in percent of hits (see README.md of the traces). */
const PUBLISHED = {
  lru: { oltp: { 250: 16.47, 500: 23.45, 1000: 32.83, 2000: 42.47 }, gli: { 250: 0.9, 500: 0.9, 1000: 11.2 } },
  "w-tinylfu": { oltp: { 250: 24.7, 500: 33.7, 1000: 40.0, 2000: 46.1 } },
};

/** dw-cache's own figures, another library in TypeScript. */
const DW_CACHE = { gli: { 250: 11.0, 500: 25.2, 1000: 46.0 } };

/** Hit rates of every policy on traces of real systems, through the store as a program uses it. */
export async function measure(work) {
  if (!haveTraces()) {
    console.log(
      "  skipped: there is no folder ../shared/traces beside this one, and the traces are not part of the project",
    );
    return [];
  }
  const { openBackend, systemClock: clock } = await work.core();
  const figures = [];
  for (const [trace, read] of Object.entries(TRACES)) {
    const keys = read();
    console.log(`  ${trace}: ${keys.length} reads of ${new Set(keys).size} keys`);
    for (const maxEntries of trace === "web12" ? [...SIZES, 4000, 8000] : SIZES) {
      const rates = {};
      for (const policy of POLICIES) {
        const store = await openBackend(
          { kind: "memory", maxEntries, maxBytes: 2 ** 40, policy, sweepMs: 0 },
          { namespace: "", clock, emit: () => {} },
        );
        rates[policy] = await replay(store, keys);
        await store.close();
      }
      figures.push(...judged(trace, maxEntries, rates));
      console.log(`    ${String(maxEntries).padStart(5)} entries  ${lineOf(trace, maxEntries, rates)}`);
    }
  }
  return figures;
}

function judged(trace, size, rates) {
  const what = `${trace}, ${size} entries`;
  const samples = rates;
  const figures = [
    {
      what: `${what}: w-tinylfu`,
      peer: "lru, less 6",
      bound: "at least",
      wanted: round(rates.lru - 6),
      seen: rates["w-tinylfu"],
      unit: "%",
      samples,
    },
  ];
  const lru = PUBLISHED.lru[trace]?.[size];
  if (lru !== undefined && trace === "oltp") {
    figures.push({
      what: `${what}: lru, off by`,
      peer: `published ${lru}`,
      bound: "at most",
      wanted: 0.005,
      seen: Math.abs(rates.lru - lru),
      unit: "%",
    });
  }
  const tiny = PUBLISHED["w-tinylfu"][trace]?.[size];
  if (tiny !== undefined) {
    figures.push({
      what: `${what}: w-tinylfu, off by`,
      peer: `published ${tiny}`,
      bound: "at most",
      wanted: 1,
      seen: Math.abs(rates["w-tinylfu"] - tiny),
      unit: "%",
    });
  }
  return figures;
}

function lineOf(trace, size, rates) {
  return POLICIES.map((policy) => {
    const published = PUBLISHED[policy]?.[trace]?.[size];
    const dw = policy === "w-tinylfu" ? DW_CACHE[trace]?.[size] : undefined;
    const beside =
      published === undefined ? (dw === undefined ? "" : ` (dw-cache ${dw})`) : ` (published ${published})`;
    return `${policy} ${rates[policy].toFixed(2)}${beside}`;
  }).join("  ");
}

function round(value) {
  return Number(value.toFixed(2));
}
