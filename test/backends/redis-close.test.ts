import { expect, onTestFinished, test } from "vitest";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { startRedis } from "../support/redis-server.js";

test("closing ends also when the server is gone and a new attempt is waiting", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const backend = await openRedis({ url: server.url, namespace: "", clock: systemClock, emit: () => {} });
  await server.pause();
  // Awaited after the kill, which the call may fail before.
  const failed = expect(Promise.resolve(backend.getMany(["k"]))).rejects.toMatchObject({ kind: "connection" });
  await server.kill();
  // The loss has been noticed; the first new attempt comes 100 ms later.
  await failed;
  const late = systemClock.sleep(2000).then(() => "late");
  expect(await Promise.race([backend.close().then(() => "closed"), late])).toBe("closed");
});
