import { randomFillSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheServer, cpuTime, freePort, get, load, serve } from "../http.js";
import { interleave, quantile } from "../measure.js";

const SIZES = {
  "100 KiB": { bytes: 100 * 1024, connections: 32 },
  "10 MB": { bytes: 10_000_000, connections: 8 },
};

/** Hits of larger bodies from stores on disk, none of it in a tier of memory, against a bare server that reads files of the same bytes. */
export async function measure(work) {
  const binary = work.binary();
  const folder = work.path("bodies");
  mkdirSync(folder);
  writeFileSync(join(folder, "ready"), "ready");
  const files = new Map(Object.entries(SIZES).map(([size, { bytes }]) => [size, `/${bytes}`]));
  for (const { bytes } of Object.values(SIZES)) {
    writeFileSync(join(folder, String(bytes)), randomFillSync(Buffer.allocUnsafe(bytes)));
  }
  const program = join(import.meta.dirname, "../peers/file-server.js");
  const bare = await freePort();
  const bareChild = await serve(work, ["node", program, String(bare), folder], bare);
  const servers = {
    bare: { port: bare, child: bareChild },
    SQLite: await cacheServer(work, binary, { origin: bare, stores: [`sqlite:${work.path("c.db")}`] }),
    file: await cacheServer(work, binary, { origin: bare, stores: [`file:${work.path("files")}`] }),
  };
  const figures = [];
  for (const [size, { bytes, connections }] of Object.entries(SIZES)) {
    const path = files.get(size) ?? "";
    /** @type {Record<string, number[]>} */
    const cpu = { bare: [], SQLite: [], file: [] };
    const subjects = Object.entries(servers).map(([name, { port, child }]) => [
      name,
      async () => {
        const before = cpuTime(child);
        const { rate, requests } = await load(port, path, { connections, seconds: 3 });
        cpu[name]?.push((cpuTime(child) - before) / requests);
        return rate;
      },
    ]);
    for (const name of ["SQLite", "file"]) {
      await get(servers[name].port, path);
      const hit = await get(servers[name].port, path);
      if (!hit.fields.includes("HIT") || hit.bytes !== bytes) throw new Error(`no hit: ${hit.fields.join(" ")}`);
    }
    const seen = await interleave(Object.fromEntries(subjects));
    const mid = (name) => quantile(cpu[name].slice(1), 0.5);
    for (const name of ["SQLite", "file"]) {
      figures.push(
        {
          what: `hits of ${size} from ${name}, ${connections} connections: rate`,
          peer: `a bare server that reads the file (${seen.bare.median.toFixed(0)} a second)`,
          bound: "at least",
          wanted: 0.7,
          seen: seen[name].median / seen.bare.median,
          unit: "×",
          samples: { seen, cpu },
        },
        { what: "(for the same CPU time)", peer: "the same", seen: mid("bare") / mid(name), unit: "×" },
      );
    }
  }
  return figures;
}
