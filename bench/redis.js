import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A redis-server of our own on a free port of 127.0.0.1 that saves nothing; it ends with `stop`, or with this process.
 * @param {{ cpu?: number, port?: number }} [options] `cpu`: the only core it may use; `port`: instead of any that is free
 */
export async function startRedis({ cpu, port: given } = {}) {
  const port = given ?? (await freePort());
  const command = ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const [program, ...args] = cpu === undefined ? command : ["taskset", "-c", `${cpu}`, ...command];
  const child = spawn(program, args, { stdio: "ignore" });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const cli = (/** @type {string[]} */ ...words) =>
    execFileSync("redis-cli", ["-p", `${port}`, ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  for (let tries = 0; ; tries++) {
    try {
      if (cli("PING") === "PONG") break;
    } catch (error) {
      if (tries > 100) throw error;
    }
    await sleep(20);
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    cli,
    async stop() {
      process.off("exit", kill);
      const ended = new Promise((resolve) => child.once("close", resolve));
      kill();
      await ended;
    },
  };
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
