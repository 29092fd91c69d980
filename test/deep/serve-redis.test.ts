import { expect, test } from "vitest";
import { loseRedisUnderLoad, untilKept } from "../serve/faults/redis-load.js";
import { startServing } from "../serve/serving.js";
import { startOrigin } from "../support/http-origin.js";
import { startRedis } from "../support/redis-server.js";

test.each([
  ["Redis alone", (url: string) => [url]],
  ["memory over Redis", (url: string) => ["memory:", url]],
])("%s away, back, hanging and back again, under load, five times", async (_, stores) => {
  for (let i = 0; i < 5; i++) await loseRedisUnderLoad(stores, 10);
});

test("Redis away from the start: requests are answered, and it is used when it comes", async () => {
  const redis = await startRedis();
  const origin = await startOrigin((_request, response) => void response.end("answer"));
  await redis.kill();
  const serving = await startServing(["--origin", origin.url, "--store", redis.url]);
  try {
    expect(await serving.get("/a")).toMatchObject({ status: 200, text: "answer" });
    await redis.restart();
    await untilKept(serving, origin);
  } finally {
    serving.running.kill("SIGTERM");
    await serving.running.result;
    await Promise.all([redis.stop(), origin.stop()]);
  }
});
