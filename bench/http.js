import { spawn } from "node:child_process";
import { request } from "node:http";
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
 * @param {number} core
 */
export async function serve(work, command, port, core = SERVER_CORE) {
  const child = spawn("taskset", ["-c", String(core), ...command], { env: work.env, cwd: work.dir, stdio: "ignore" });
  work.atEnd(async () => {
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

/**
 * @param {number} port
 * @param {string} path
 * @returns {Promise<{ status: number, fields: string[], ms: number }>}
 */
export function get(port, path) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      response.resume().once("end", () => {
        resolve({ status: response.statusCode ?? 0, fields: response.rawHeaders, ms: performance.now() - began });
      });
    });
    asked.once("error", reject).end();
  });
}

/**
 * Loads a server from one core with wrk.
 * @param {number} port
 * @param {string} path
 * @param {{ connections?: number, seconds?: number }} [options]
 * @returns {Promise<{ rate: number, p99: number }>} requests a second, and milliseconds
 */
export async function load(port, path, { connections = 64, seconds = 4 } = {}) {
  const url = `http://127.0.0.1:${port}${path}`;
  const { stdout } = await timed(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", url], {
    cpu: CLIENT_CORE,
  });
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (/Non-2xx|Socket errors/.test(stdout) || !(rate > 0)) throw new Error(stdout);
  return { rate, p99: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit] };
}
