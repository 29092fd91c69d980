import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Interleaved } from "./interleaving.js";

/** Seeds that failed once; they are tried first, for ever. */
const FOLDER = join(import.meta.dirname, "failed-seeds");

/** Tries the seeds that failed before, then new ones; what fails is printed and kept. */
export async function explore(
  name: string,
  runs: number,
  fresh: () => Promise<Interleaved>,
  run: (seed: number, setting: Interleaved) => Promise<string[]>,
): Promise<{ runs: number; failures: string[] }> {
  const path = join(FOLDER, `${name}.json`);
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as number[]) : [];
  const first = Math.floor(Math.random() * 2 ** 31);
  const seeds = [...known, ...Array.from({ length: runs }, (_, i) => (first + i) % 2 ** 31)].slice(0, runs);
  const failures: string[] = [];
  const failed = new Set(known);
  for (const seed of seeds) {
    const wrong = await run(seed, await fresh());
    if (wrong.length === 0) continue;
    failed.add(seed);
    failures.push(...wrong.map((what) => `seed ${seed}: ${what}`));
  }
  if (failures.length > 0) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(path, `${JSON.stringify([...failed].slice(0, 100))}\n`);
  }
  return { runs: seeds.length, failures };
}
