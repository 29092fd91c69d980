import type { FastifyInstance } from "fastify";
import { storeRequests } from "../../api/entries.js";
import { type Backend, hasTiers, readsForeign } from "../../backends/backend.js";
import { Calls } from "./calls.js";

/** `/v1/store/…`: what the `remote` backend asks of the store as a whole: what it is, its counters, its log. */
export function storeRoutes(app: FastifyInstance, { backend: store }: { backend: Backend }): void {
  const calls = new Calls(app, store, "/v1/store/");
  const requests = storeRequests;
  calls.answer(["viewer", "about"], requests.about, async (backend) => ({
    name: backend.name,
    capabilities: backend.capabilities,
    readsForeign: readsForeign(backend),
    ...(hasTiers(backend) && { tiers: backend.tierNames }),
  }));
  calls.answer(["viewer", "describe"], requests.describe, async (backend) => backend.describe());
  calls.answer(["viewer", "ping"], requests.ping, async (backend, _, signal) => ({
    ms: await backend.ping({ signal }),
  }));
  calls.answer(["viewer", "counters"], requests.counters, async (backend) => backend.counters());
  calls.answer(["operator", "count"], requests.count, async (backend, { deltas }) => {
    await backend.count(deltas);
    return {};
  });
  calls.answer(["operator", "reset-counters"], requests["reset-counters"], async (backend) => {
    await backend.resetCounters();
    return {};
  });
  calls.answer(["operator", "prune"], requests.prune, async (backend) => ({ removed: await backend.prune() }));
  calls.answer(["viewer", "position"], requests.position, async (backend, _, signal) => ({
    position: await backend.position({ signal }),
  }));
  calls.lines(["viewer", "changes"], requests.changes, async (backend, { after }, send, signal) => {
    for await (const page of backend.changes(after, signal, true)) await send(page);
  });
  calls.answer(["operator", "announce"], requests.announce, async (backend, { op, selector, ...options }, signal) => {
    await backend.announce(op, selector, { ...options, signal });
    return {};
  });
  calls.answer(["viewer", "foreign"], requests.foreign, async (backend, { key, limit }) => ({
    entry: (readsForeign(backend) && (await backend.readForeign(key, limit))) || null,
  }));
}
