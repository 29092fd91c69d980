import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { interleave } from "../measure.js";

const WRITER = join(import.meta.dirname, "../peers/sqlite-writer.js");
const PROCESSES = 4;
const MS = 3000;

/** Several processes that write one file at the same time, against one alone: what all of them get done, and how long their event loops stand still. */
export async function measure(work) {
  await work.core();
  const path = work.path("store.db");
  const core = work.path("core/core.mjs");
  let errors = 0;
  /** @type {number[]} */
  const stalls = [];
  /** @param {number} processes */
  const rate = async (processes) => {
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    const writers = Array.from({ length: processes }, (_, i) => start([core, path, `w${i}`, String(MS)], work.env));
    await Promise.all(writers.map(({ ready }) => ready));
    for (const { child } of writers) child.stdin.write("go\n");
    const told = await Promise.all(writers.map(({ result }) => result));
    const written = told.reduce((sum, one) => sum + one.written, 0);
    const db = new Sqlite(path, { readonly: true });
    const count = db.prepare("SELECT count(*) FROM entries JOIN bodies USING (id)").pluck().get();
    db.close();
    if (count !== written) throw new Error(`${count} rows are there instead of ${written}`);
    if (processes > 1) {
      errors += told.reduce((sum, one) => sum + one.errors, 0);
      stalls.push(Math.max(...told.map(({ stall }) => stall)));
    }
    return (written * 1000) / MS;
  };
  const seen = await interleave({ one: () => rate(1), many: () => rate(PROCESSES) });
  const what = `${PROCESSES} processes that set keys in one SQLite file`;
  return [
    {
      what: `${what}: their rate in total`,
      peer: "one process",
      bound: "at least",
      wanted: 0.8,
      seen: seen.many.median / seen.one.median,
      unit: "×",
      samples: seen,
    },
    { what: "… errors", peer: "none", bound: "at most", wanted: 0, seen: errors, unit: "×" },
    {
      what: "… longest stall of an event loop",
      peer: "in all runs",
      bound: "at most",
      wanted: 50,
      seen: Math.max(...stalls),
      unit: "ms",
      samples: { stalls },
    },
  ];
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function start(args, env) {
  const child = spawn(process.execPath, [WRITER, ...args], { stdio: ["pipe", "pipe", "inherit"], env });
  let text = "";
  const ready = new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (part) => {
      text += part;
      if (text.includes("\n")) resolve(undefined);
    });
  });
  /** @type {Promise<{ written: number, errors: number, stall: number }>} */
  const result = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(text.trim().split("\n").at(-1) ?? ""));
      else reject(new Error(`a writer ended with ${code}`));
    });
  });
  return { child, ready, result };
}
