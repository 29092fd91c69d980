import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, createServer as createHttpServer, request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { timed } from "./measure.js";

/** The core of servers that are measured, and that of who loads them. */
const SERVER_CORE = 0;
const CLIENT_CORE = 1;

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/**
 * A program that listens, on one core; resolves when it answers.
 * @param {import("./workspace.js").Workspace} work
 * @param {readonly string[]} command
 * @param {number} port
 * @param {number | string} core one, or a list
 */
export async function serve(work, command, port, core = SERVER_CORE) {
  const child = spawn("taskset", ["-c", String(core), ...command], { env: work.env, cwd: work.dir, stdio: "ignore" });
  work.atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  });
  for (let i = 0; i < 200; i++) {
    try {
      await get(port, "/ready");
      return child;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${command.join(" ")} does not answer`);
}

/**
 * @param {import("./workspace.js").Workspace} work
 * @param {number} port
 * @param {number} bytes
 * @param {{ fields?: readonly string[], core?: number }} [options]
 */
export function bareServer(work, port, bytes, { fields, core = SERVER_CORE } = {}) {
  const command = ["node", join(import.meta.dirname, "peers/http-server.js"), String(port), String(bytes)];
  return serve(work, fields ? [...command, JSON.stringify(fields)] : command, port, core);
}

/** Of the admin API of every `cacheServer`. */
const TOKEN = "for-benchmarks-alone";

/** A file for `--admin-tokens`, with which `askAdmin` is let in. @param {import("./workspace.js").Workspace} work */
export function tokensFile(work) {
  const path = work.path("tokens");
  const sha256 = createHash("sha256").update(TOKEN).digest("hex");
  writeFileSync(path, `${JSON.stringify({ name: "bench", role: "operator", sha256 })}\n`, { mode: 0o600 });
  return path;
}

/**
 * `cache serve` on a core.
 * @param {import("./workspace.js").Workspace} work
 * @param {string} binary
 * @param {{ origin: number, stores: readonly string[], more?: readonly string[], core?: number | string }} options
 */
export async function cacheServer(work, binary, { origin, stores, more = [], core = SERVER_CORE }) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const command = [
    ...["node", binary, "serve", "--origin", `http://127.0.0.1:${origin}`, "--admin-tokens", tokensFile(work)],
    ...["--port", String(port), "--admin-port", String(adminPort), ...stores.flatMap((store) => ["--store", store])],
    ...more,
  ];
  const child = await serve(work, command, port, core);
  return { child, port, adminPort };
}

/**
 * A call of the admin API.
 * @param {number} adminPort
 * @param {string} path
 * @param {object} [body] absent: a GET
 */
export async function askAdmin(adminPort, path, body) {
  const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${TOKEN}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/**
 * An origin in the process of the benchmark, which can say what it was asked.
 * @param {import("./workspace.js").Workspace} work
 * @param {import("node:http").RequestListener} listener
 */
export async function originHere(work, listener) {
  const server = createHttpServer(listener);
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(undefined)));
  work.atEnd(async () => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

/**
 * @param {number} port
 * @param {string} path
 * @param {Agent | false} [agent] whose connections are used
 * @returns {Promise<{ status: number, fields: string[], ms: number, bytes: number }>}
 */
export function get(port, path, agent = false) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let bytes = 0;
    const asked = request({ host: "127.0.0.1", port, path, agent }, (response) => {
      response.on("data", (piece) => (bytes += piece.length));
      response.once("end", () => {
        const { statusCode: status = 0, rawHeaders: fields } = response;
        resolve({ status, fields, ms: performance.now() - began, bytes });
      });
      response.once("error", reject);
    });
    asked.once("error", reject).end();
  });
}

/**
 * Asks for many URLs, so many at once.
 * @param {number} port
 * @param {Iterable<string>} paths
 * @param {number} [connections]
 */
export async function getAll(port, paths, connections = 64) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const left = paths[Symbol.iterator]();
  const worker = async () => {
    for (let next = left.next(); !next.done; next = left.next()) {
      const { status } = await get(port, next.value, agent);
      if (status !== 200) throw new Error(`${next.value}: ${status}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
}

/**
 * Microseconds of CPU time that a process has had, in steps of 10,000.
 * @param {import("node:child_process").ChildProcess} child
 */
export function cpuTime({ pid }) {
  const after = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(after[11]) + Number(after[12])) * 10_000;
}

/**
 * Resident memory of a process.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {number} bytes
 */
export function residentBytes({ pid }) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

/** Fields that Node adds by itself. */
const OF_NODE = new Set(["connection", "keep-alive"]);

/**
 * The fields of a hit, to be sent by a bare server.
 * @param {number} port
 * @param {string} path
 */
export async function fieldsOfHit(port, path) {
  const { fields } = await get(port, path);
  if (!fields.includes("HIT")) throw new Error(`no hit: ${fields.join(" ")}`);
  return fields.filter((_, i) => !OF_NODE.has((fields[i - (i % 2)] ?? "").toLowerCase()));
}

/**
 * Loads a server from one core with wrk.
 * @param {number} port
 * @param {string} path
 * @param {{ connections?: number, seconds?: number, core?: number | string }} [options]
 * @returns {Promise<{ rate: number, p99: number, requests: number }>} requests a second, milliseconds, and how many there were
 */
export async function load(port, path, { connections = 64, seconds = 4, core = CLIENT_CORE } = {}) {
  const url = `http://127.0.0.1:${port}${path}`;
  const { stdout } = await timed(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", url], {
    cpu: core,
  });
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (/Non-2xx|Socket errors/.test(stdout) || !(rate > 0)) throw new Error(stdout);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return { rate, requests, p99: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit] };
}
