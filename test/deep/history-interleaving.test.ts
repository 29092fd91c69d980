import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { StoreOptions } from "../../src/backends/open.js";
import { KeyRing } from "../../src/backends/transform/index.js";
import { compose } from "../../src/compose.js";
import { type Interleaved, interleave } from "../cache/interleaving.js";
import { explore } from "../cache/seeds.js";
import { FakeClock } from "../support/fake-clock.js";
import { startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

/** As the library puts it together: memory over a store that is resilient, compresses and encrypts, twice over the same store. */
async function exploreComposed(name: string, runs: number, store: StoreOptions, remote: boolean): Promise<void> {
  const clock = new FakeClock();
  const keys = new KeyRing([{ id: "1", key: randomBytes(32) }]);
  const plan = {
    tiers: [
      { name: "memory", store: { kind: "memory" } as const },
      { name: store.kind, store },
    ],
    namespace: "i:",
    readOnly: false,
    transform: { compression: { algorithm: "gzip" as const }, encryption: { keys } },
    resilience: {},
    patient: true,
    livesOn: true,
  };
  const open = () => compose(plan, { clock, emit: () => undefined });
  const backends = [await open(), await open()];
  const fresh = async (): Promise<Interleaved> => {
    await backends[0]?.deleteWhere({ all: true });
    return { clock, slow: true, remote, backends };
  };
  const { runs: tried, failures } = await explore(`composed-${name}`, runs, fresh, interleave);
  for (const backend of backends) await backend.close();
  expect(failures).toEqual([]);
  expect(tried).toBe(runs);
}

test("no stale value is left behind in the whole composition over SQLite", async () => {
  await exploreComposed("sqlite", 2000, { kind: "sqlite", path: `${tempDir("composed")}/c.db` }, false);
});

test("no stale value is left behind in the whole composition over Redis", async () => {
  const server = await startRedis();
  await exploreComposed("redis", 500, { kind: "redis", url: server.url }, true);
  await server.stop();
});
