import { join } from "node:path";
import fastify from "fastify";
import { errorToWire, statusOf } from "../../src/api/errors.js";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRemote } from "../../src/backends/remote/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { duplexRoutes } from "../../src/serve/admin/duplex-routes.js";
import { entryRoutes } from "../../src/serve/admin/entry-routes.js";
import { storeRoutes } from "../../src/serve/admin/store-routes.js";
import { describeBackend } from "../contract/backend.js";
import type { Harness } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { tempDir } from "../support/temp-dir.js";

async function served(clock: FakeClock, backend: Backend, more: Partial<Harness> = {}): Promise<Harness> {
  const app = fastify({ bodyLimit: 16 * 1024 * 1024 });
  app.setErrorHandler((error, _request, reply) => reply.status(statusOf(error)).send(errorToWire(error)));
  entryRoutes(app, { backend });
  storeRoutes(app, { backend });
  await app.register((scope) => duplexRoutes(scope, { backend }));
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const opened: Backend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const remote = await openRemote({ url, namespace, clock, emit: () => {}, ...options });
      opened.push(remote);
      return remote;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    stopsLate: true,
    ...more,
    async dispose() {
      await Promise.all(opened.map((remote) => remote.close()));
      await app.close();
      await backend.close();
    },
  };
}

describeBackend(
  "remote, of memory",
  async () => {
    const clock = new FakeClock();
    return served(clock, openMemory({ namespace: "", clock, emit: () => {}, maxEntries: 100_000 }));
  },
  { full: true },
);

describeBackend(
  "remote, of sqlite",
  async () => {
    const clock = new FakeClock();
    const path = join(tempDir("remote"), "cache.db");
    return served(clock, await openSqlite({ path, namespace: "", clock, emit: () => {}, wait: "async" }));
  },
  { full: true },
);
