// npm run bench -- NAME: measures one row of the table in README.md (or all) against its peer, prints it, and keeps it as JSON.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineFacts } from "./machine.js";
import { printTable } from "./table.js";
import { openWorkspace } from "./workspace.js";

/** @type {Record<string, { summary: string, load: () => Promise<{ measure: (work: import("./workspace.js").Workspace) => Promise<import("./table.js").Figure[]> }> }>} */
const ROWS = {
  "get-process": { summary: "cache get KEY, the whole process", load: () => import("./rows/get-process.js") },
  "warm-redis": { summary: "warm 1M records into Redis", load: () => import("./rows/warm-redis.js") },
  "warm-log": {
    summary: "warm 1M records into Redis while somebody listens",
    load: () => import("./rows/warm-log.js"),
  },
  "warm-sqlite": { summary: "warm 1M records into SQLite", load: () => import("./rows/warm-sqlite.js") },
  "warm-memory": { summary: "memory while warming up to 3M records", load: () => import("./rows/warm-memory.js") },
  "invalidate-redis": {
    summary: "invalidate 1M keys in Redis by prefix",
    load: () => import("./rows/invalidate-redis.js"),
  },
  "invalidate-sqlite": {
    summary: "invalidate 25,000 rows by prefix in a small and a large store",
    load: () => import("./rows/invalidate-sqlite.js"),
  },
  "writers-sqlite": {
    summary: "four processes that write one SQLite file",
    load: () => import("./rows/writers-sqlite.js"),
  },
  "get-or-set": { summary: "10,000 callers on one missing key", load: () => import("./rows/get-or-set.js") },
  "get-bytes": {
    summary: "one getBytes through the core: memory, SQLite, Redis",
    load: () => import("./rows/get-bytes.js"),
  },
  "tiered-get": { summary: "memory over Redis, every get a hit in Redis", load: () => import("./rows/tiered-get.js") },
  streams: {
    summary: "a value of 100 MB piece by piece: SQLite, files, Redis",
    load: () => import("./rows/streams.js"),
  },
  resilience: { summary: "a read from memory with resilience and stats", load: () => import("./rows/resilience.js") },
  "get-decoded": {
    summary: "await cache.get of a small JSON object in memory",
    load: () => import("./rows/get-decoded.js"),
  },
  "memory-bytes": { summary: "memory that an entry needs in memory", load: () => import("./rows/memory-bytes.js") },
  "http-hits": { summary: "cache serve: hits of 1 KiB from memory", load: () => import("./rows/http-hits.js") },
  "http-misses": { summary: "cache serve: what a miss adds", load: () => import("./rows/http-misses.js") },
  "http-bodies": {
    summary: "cache serve: hits of 100 KiB and 10 MB from SQLite and files",
    load: () => import("./rows/http-bodies.js"),
  },
  "http-flights": {
    summary: "cache serve: 1,000 equal misses at once",
    load: () => import("./rows/http-flights.js"),
  },
  "http-workers": { summary: "cache serve: hits from two workers", load: () => import("./rows/http-workers.js") },
  "http-purge": {
    summary: "cache serve: purge of a tag with 100,000 responses",
    load: () => import("./rows/http-purge.js"),
  },
  "http-memory": {
    summary: "cache serve: memory for each of 500,000 responses",
    load: () => import("./rows/http-memory.js"),
  },
  traces: { summary: "hit rates of every policy on traces", load: () => import("./rows/traces.js") },
};

const [wanted] = process.argv.slice(2);
const names = wanted === "all" ? Object.keys(ROWS) : wanted === undefined ? [] : [wanted];
const unknown = names.find((name) => !Object.hasOwn(ROWS, name));
if (names.length === 0 || unknown !== undefined) {
  if (unknown !== undefined) console.error(`there is no benchmark "${unknown}"\n`);
  console.log("npm run bench -- NAME   (or all)\n");
  for (const [name, { summary }] of Object.entries(ROWS)) console.log(`  ${name.padEnd(18)}${summary}`);
  process.exitCode = unknown === undefined ? 0 : 2;
}
for (const name of names) {
  const started = new Date();
  const work = openWorkspace();
  try {
    const { measure } = await ROWS[name].load();
    console.log(`\n${name}: ${ROWS[name].summary}`);
    const figures = await measure(work);
    printTable(figures);
    const folder = join(import.meta.dirname, "results");
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${name}.json`);
    const result = { name, started: started.toISOString(), machine: machineFacts(), figures };
    writeFileSync(path, `${JSON.stringify(result, undefined, 2)}\n`);
  } finally {
    await work.close();
  }
}
