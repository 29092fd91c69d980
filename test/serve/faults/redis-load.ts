import { expect } from "vitest";
import { type HttpOrigin, startOrigin } from "../../support/http-origin.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { type Serving, startServing } from "../serving.js";

/** What all clients of a load ask for, and where. */
const answerTo: HttpOrigin["answer"] = ({ url }, response) => {
  response.writeHead(200, { "cache-control": "max-age=1, stale-while-revalidate=1" }).end(`answer to ${url}`);
};

/** Resolves when a response is kept and used. */
export async function untilKept(serving: Serving, origin: HttpOrigin): Promise<void> {
  origin.answer = (_request, response) => void response.writeHead(200, { "cache-control": "max-age=60" }).end("kept");
  const isKept = async () => {
    await serving.get("/again");
    return (await serving.get("/again")).cache === "HIT";
  };
  await until(isKept, { timeoutMs: 15_000, everyMs: 50 });
}

/**
 * Redis goes away, comes back, hangs and comes back while clients ask: none of them may notice.
 * @param stores of the server, given the URL of the Redis
 * @param scale how many times 100 requests each phase takes
 */
export async function loseRedisUnderLoad(stores: (url: string) => readonly string[], scale: number): Promise<void> {
  const redis: RedisServer = await startRedis();
  const origin = await startOrigin(answerTo);
  const serving = await startServing(
    [...["--origin", origin.url], ...stores(redis.url).flatMap((url) => ["--store", url])],
    { timeoutMs: 30_000 * Math.max(1, scale) },
  );
  try {
    const clients = load(serving, 8);
    await clients.more(100 * scale);
    await redis.kill();
    await clients.more(100 * scale);
    await redis.restart();
    await clients.more(100 * scale);
    redis.pause();
    await clients.more(100 * scale);
    redis.resume();
    await clients.more(100 * scale);
    const { wrong, slowest } = await clients.stop();
    expect(wrong).toEqual([]);
    // A request waits once for a store that hangs: for its timeout, 5 s, and what the machine takes besides.
    expect(slowest).toBeLessThan(9000);
    await untilKept(serving, origin);
    expect(serving.running.stderr()).not.toMatch(/\n\s+at /);
  } finally {
    serving.running.kill("SIGTERM");
    await serving.running.result;
    await Promise.all([redis.stop(), origin.stop()]);
  }
}

/** Clients that ask one after the other until they are stopped. */
function load(serving: Serving, clients: number) {
  const wrong: unknown[] = [];
  let slowest = 0;
  let answered = 0;
  let over = false;
  const ask = async (client: number) => {
    for (let i = 0; !over; i++) {
      const path = `/${(client * 7 + i) % 40}`;
      const began = performance.now();
      try {
        const { status, text } = await serving.get(path);
        if (status !== 200 || text !== `answer to ${path}`) wrong.push({ path, status, text });
      } catch (error) {
        wrong.push({ path, error });
      }
      slowest = Math.max(slowest, performance.now() - began);
      answered += 1;
    }
  };
  const running = Array.from({ length: clients }, (_, i) => ask(i));
  return {
    /** Resolves when so many more were answered. */
    async more(count: number) {
      const from = answered;
      await until(() => answered >= from + count, { timeoutMs: 15_000 + 100 * count });
    },
    async stop() {
      over = true;
      await Promise.all(running);
      return { wrong, slowest };
    },
  };
}
