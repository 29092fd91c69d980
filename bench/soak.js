// npm run soak -- --minutes 10: `cache serve` (memory over Redis) under mixed load, while its origin and its store come and go, responses are purged and rules read again. Says
// whether memory stays flat, descriptors come back, no request fails that need not, and nothing untoward is said; exit 1 where it is otherwise.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { askAdmin, freePort, get, tokensFile } from "./http.js";
import { quantile } from "./measure.js";
import { startRedis } from "./redis.js";
import { bodyOf, Origin } from "./soak-origin.js";
import { openWorkspace } from "./workspace.js";

const { values: flags } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const RUN_MS = Number(flags.minutes) * 60_000;
const CLIENTS = 24;
/** Milliseconds between two faults. */
const PACE = 4000;
/** Milliseconds after the origin is back in which what was under way may still fail. */
const GRACE = 1500;
/** What memory may grow by in the last two thirds, as a part of its median. */
const FLAT = 0.1;
/** Descriptors that may be open more than before the load: connections to the store that come and go. */
const SPARE = 6;

const KINDS = [
  ...Array(10).fill("small"),
  ...Array(4).fill("tagged"),
  ...Array(3).fill("vary"),
  ...Array(3).fill("etag"),
  ...["large", "large", "private", "slow", "cut", "post", "leave", "range"],
];

/** @template T @param {readonly T[]} list @returns {T} */
const any = (list) => /** @type {T} */ (list[Math.floor(Math.random() * list.length)]);
const upTo = (/** @type {number} */ n) => Math.floor(Math.random() * n);

const work = openWorkspace();
let clean = false;
try {
  clean = await soak();
} finally {
  await work.close();
}
process.exitCode = clean ? 0 : 1;

async function soak() {
  const binary = work.binary();
  const redisPort = await freePort();
  let redis = await startRedis({ port: redisPort });
  work.atEnd(() => redis.stop());
  const origin = new Origin();
  await origin.start();
  const rules = work.path("rules.json");
  const writeRules = (/** @type {number} */ n) =>
    // Each third file has a mistake: the rules of before stay.
    writeFileSync(rules, n % 3 === 2 ? "[{" : JSON.stringify([{ pattern: "/vary/*", tags: [`rule-${n}`] }]));
  writeRules(0);
  const watched = work.path("watched");
  writeFileSync(watched, "");
  const [port, adminPort] = [await freePort(), await freePort()];
  const server = spawn(
    "node",
    [
      ...["--expose-gc", "--require", join(import.meta.dirname, "peers/watched.cjs"), binary, "serve"],
      ...["--origin", `http://127.0.0.1:${origin.port}`, "--port", `${port}`, "--admin-port", `${adminPort}`],
      ...["--admin-tokens", tokensFile(work), "--rules", rules, "--access-log", work.path("access.log")],
      ...["--store", "memory:?maxEntries=500&maxBytes=8MB", "--store", redis.url],
    ],
    { env: { ...work.env, WATCH_FILE: watched }, stdio: ["ignore", "ignore", "pipe"] },
  );
  /** @type {string[]} */
  const said = [];
  server.stderr.setEncoding("utf8").on("data", (text) => said.push(...text.split("\n").filter(Boolean)));
  const exited = new Promise((resolve) => server.once("exit", (code, signal) => resolve(code ?? signal)));
  work.atEnd(async () => void server.kill("SIGKILL"));
  const ready = () => get(port, "/small/0").then(({ status }) => status === 200);
  while (!(await ready().catch(() => false))) await sleep(100);
  const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const atFirst = descriptors();

  /** @type {Record<string, number>} */
  const outcomes = {};
  /** @type {string[]} */
  const failures = [];
  /** @type {number[]} */
  const waits = [];
  let running = true;
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (running) {
      const kind = any(KINDS);
      const began = performance.now();
      const { failure, outcome } = await one(agent, port, kind);
      const origins = performance.now() > origin.awayUntil + GRACE && began > origin.awayUntil + GRACE;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome === "HIT") waits.push(performance.now() - began);
      if (failure !== undefined && kind !== "cut" && (origins || failure.startsWith("wrong"))) {
        failures.push(`${kind}: ${failure}`);
      }
    }
  });

  let round = 0;
  /** @type {Record<string, () => Promise<unknown>>} */
  const faults = {
    origin: async () => {
      await origin.stop();
      await sleep(1000);
      await origin.start();
    },
    tag: () => askAdmin(adminPort, "/cache/purge", { tags: [`t${upTo(10)}`] }),
    reload: async () => {
      writeRules(++round);
      server.kill("SIGHUP");
    },
    glob: () => askAdmin(adminPort, "/cache/purge", { match: "/small/*" }),
    redis: async () => {
      await redis.stop();
      await sleep(2500);
      redis = await startRedis({ port: redisPort });
    },
    soft: () => askAdmin(adminPort, "/cache/purge", { tags: [`t${upTo(10)}`], soft: true }),
    figures: async () => {
      await askAdmin(adminPort, "/cache/stats");
    },
  };
  /** @type {Record<string, number>} */
  const made = {};
  /** @type {number[]} */
  const opened = [];
  const until = performance.now() + RUN_MS;
  for (let i = 0; performance.now() < until && server.exitCode === null; i++) {
    const [name, fault] = /** @type {[string, () => Promise<unknown>]} */ (
      Object.entries(faults)[i % Object.keys(faults).length]
    );
    await fault().catch((error) => failures.push(`${name}: ${error.message}`));
    made[name] = (made[name] ?? 0) + 1;
    await sleep(PACE);
    opened.push(descriptors());
  }
  running = false;
  await Promise.all(clients);
  agent.destroy();
  await origin.stop();
  await origin.start();
  await sleep(3000);
  const atLast = server.exitCode === null ? descriptors() : Number.NaN;
  server.kill("SIGTERM");
  const code = await Promise.race([exited, sleep(15_000, "still running")]);
  await origin.stop();

  const samples = readFileSync(watched, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const rss = samples.map((sample) => sample.rss / 1e6);
  const live = samples.flatMap((sample) => (sample.live ? [sample.live / 1e6] : []));
  const untoward = said.filter((line) => /unhandled|uncaught|warning:.*leak|^\s+at |TypeError|RangeError/i.test(line));
  const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const checks = {
    "resident memory is flat": growth(rss) <= FLAT * quantile(rss, 0.5),
    "what is no garbage is flat": growth(live) <= FLAT * quantile(live, 0.5),
    "no descriptor is left open": atLast <= atFirst + SPARE,
    "no request failed that need not": failures.length === 0,
    "nothing untoward was said": untoward.length === 0,
    "it ended by itself, and only when it was told": code === 0,
  };
  console.log(`${total} requests:`, outcomes);
  console.log(`the origin was asked ${origin.asked} times; faults:`, made);
  for (const [what, values] of Object.entries({ "resident memory": rss, "what is no garbage": live })) {
    console.log(`${what}, MB, in ten parts: ${parts(values).join(" ")}; growth ${growth(values).toFixed(1)}`);
  }
  console.log(`descriptors: ${atFirst} before, ${Math.max(...opened)} at most, ${atLast} after`);
  const lates = samples.map((sample) => sample.late);
  console.log(
    `event loop late by at most, ms, each second: median ${quantile(lates, 0.5).toFixed(0)}, p99 ${quantile(lates, 0.99).toFixed(0)}, ` +
      `most ${Math.max(...lates).toFixed(0)}; hits: median ${quantile(waits, 0.5).toFixed(1)}, p99 ${quantile(waits, 0.99).toFixed(0)} ms`,
  );
  console.log(`on standard error: ${said.length} lines`);
  for (const [line, count] of counted(said).slice(0, 12)) console.log(`  ${count} × ${line}`);
  for (const [line, count] of counted(failures).slice(0, 12)) console.log(`  FAILED ${count} × ${line}`);
  for (const [what, holds] of Object.entries(checks)) console.log(`${holds ? "yes" : "NO "}  ${what}`);
  return Object.values(checks).every(Boolean);
}

/**
 * One request of a kind; `failure` says what is wrong with its answer.
 * @param {Agent} agent
 * @param {number} port
 * @param {string} kind
 * @returns {Promise<{ outcome: string, failure?: string }>}
 */
function one(agent, port, kind) {
  const segment = kind === "post" || kind === "range" ? "small" : kind === "leave" ? "large" : kind;
  const names = { tagged: 3000, small: 500, large: 40, slow: 10_000, cut: 1000 }[segment] ?? 200;
  const path = `/${segment}/${upTo(names)}`;
  const headers = {
    ...(kind === "vary" && { "accept-language": any(["de", "en", "fr"]) }),
    ...(kind === "range" && { range: "bytes=100-199" }),
  };
  return new Promise((resolve) => {
    const asked = request(
      { host: "127.0.0.1", port, path, agent, headers, method: kind === "post" ? "POST" : "GET" },
      (response) => {
        const { statusCode: status = 0, headers: fields } = response;
        const outcome = String(fields["x-cache"] ?? status);
        /** @type {Buffer[]} */
        const pieces = [];
        response.on("data", (piece) => {
          pieces.push(piece);
          if (kind !== "leave") return;
          asked.destroy();
          resolve({ outcome: "left" });
        });
        response.once("error", (error) => resolve({ outcome, failure: `cut short: ${error.message}` }));
        response.once("end", () => {
          const body = Buffer.concat(pieces);
          const expected = status === 206 ? bodyOf(path).subarray(100, 200) : bodyOf(path);
          // The whole is an answer to who asks for a part, too (RFC 9110 §14.2).
          const good = { post: [204], range: [200, 206] }[kind] ?? [200];
          if (!good.includes(status)) resolve({ outcome, failure: `status ${status}` });
          else if (status !== 204 && !body.equals(expected)) resolve({ outcome, failure: "wrong body" });
          else if (kind === "range" && status === 200) resolve({ outcome: `whole for a range, ${outcome}` });
          else resolve({ outcome });
        });
      },
    );
    asked.once("error", (error) => resolve({ outcome: "error", failure: error.message }));
    asked.end();
  });
}

/** By how much values grow in the last two thirds: the median of the slopes between any two (Sen 1968), which what is on its way at one moment does not change. @param {readonly number[]} all */
function growth(all) {
  const values = all.slice(Math.floor(all.length / 3));
  const slopes = values.flatMap((value, i) => values.slice(i + 1).map((later, j) => (later - value) / (j + 1)));
  return quantile(slopes, 0.5) * values.length;
}

/** The median of each tenth. @param {readonly number[]} values */
function parts(values) {
  const length = Math.ceil(values.length / 10);
  return Array.from({ length: Math.ceil(values.length / length) }, (_, i) =>
    quantile(values.slice(i * length, (i + 1) * length), 0.5).toFixed(0),
  );
}

/** @param {readonly string[]} lines */
function counted(lines) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]);
}
