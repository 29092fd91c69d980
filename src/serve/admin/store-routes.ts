import type { FastifyInstance } from "fastify";
import { storeCalls } from "../../api/entries.js";
import { type Backend, hasTiers, readsForeign } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import { CacheError } from "../../errors.js";
import { Calls } from "./calls.js";

interface Parts {
  backend: Backend;
  /** What counts in this process, and writes that to the store only now and then. */
  cache?: Pick<Cache, "counters">;
  /** Ends answers that have no end of their own. */
  stopping?: AbortSignal;
}

/** `/v1/store/…`: what the `remote` backend asks of the store as a whole: what it is, its counters, its log. */
export function storeRoutes(app: FastifyInstance, { backend: store, cache, stopping }: Parts): void {
  const calls = new Calls(app, store, "/v1/store/");
  calls.answer(["viewer", "about"], storeCalls.about, async (backend) => ({
    name: backend.name,
    capabilities: backend.capabilities,
    readsForeign: readsForeign(backend),
    ...(hasTiers(backend) && { tiers: backend.tierNames }),
  }));
  calls.answer(["viewer", "describe"], storeCalls.describe, async (backend) => backend.describe());
  calls.answer(["viewer", "ping"], storeCalls.ping, async (backend, _, signal) => ({
    ms: await backend.ping({ signal }),
  }));
  calls.answer(["viewer", "counters"], storeCalls.counters, async (backend) => {
    await cache?.counters();
    return backend.counters();
  });
  calls.answer(["operator", "count"], storeCalls.count, async (backend, { deltas }) => {
    await backend.count(deltas);
    return {};
  });
  calls.answer(["operator", "reset-counters"], storeCalls["reset-counters"], async (backend) => {
    await cache?.counters();
    await backend.resetCounters();
    return {};
  });
  calls.answer(["operator", "prune"], storeCalls.prune, async (backend) => ({ removed: await backend.prune() }));
  calls.answer(["viewer", "position"], storeCalls.position, async (backend, _, signal) => ({
    position: await backend.position({ signal }),
  }));
  calls.lines(["viewer", "changes"], storeCalls.changes, async (backend, { after }, send, gone) => {
    const signal = stopping ? AbortSignal.any([gone, stopping]) : gone;
    for await (const page of backend.changes(after, signal, true)) await send(page);
    // Who were told that this is the end of the log would ask again at once.
    if (stopping?.aborted) throw new CacheError("connection", "server-stopping", "the server is about to stop");
  });
  calls.answer(["operator", "announce"], storeCalls.announce, async (backend, { op, selector, ...options }, signal) => {
    await backend.announce(op, selector, { ...options, signal });
    return {};
  });
  calls.answer(["viewer", "foreign"], storeCalls.foreign, async (backend, { key, limit }) => ({
    entry: (readsForeign(backend) && (await backend.readForeign(key, limit))) || null,
  }));
}
