import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import type { Harness } from "../contract/harness.js";

/**
 * What the contract needs of a Redis, whatever its topology.
 * @param url asked for when a test begins
 * @param flush empties the store
 */
export function redisHarness(
  url: () => string,
  flush: () => Promise<unknown>,
  more: Partial<Harness> = {},
): () => Promise<Harness> {
  return async () => {
    const opened: Backend[] = [];
    return {
      clock: systemClock,
      open: async (namespace = "", { readOnly = false } = {}) => {
        const backend = await openRedis({ url: url(), namespace, clock: systemClock, emit: () => {}, readOnly });
        opened.push(backend);
        return backend;
      },
      // Redis counts in whole milliseconds of its own.
      advance: (ms) => systemClock.sleep(ms + 5),
      shortTtl: 150,
      deadlineTolerance: 100,
      versionsByContent: true,
      async dispose() {
        await Promise.all(opened.map((backend) => backend.close()));
        await flush();
      },
      ...more,
    };
  };
}
