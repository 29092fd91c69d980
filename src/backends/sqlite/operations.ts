import type { Backend, Capabilities, NamespaceKeeper } from "../backend.js";
import type { Core } from "./core.js";
import { count, counters, resetCounters } from "./counting.js";
import { forgetNamespace } from "./log.js";

const CAPABILITIES: Capabilities = {
  persistent: true,
  shared: false,
  repeatsInScan: false,
  keepsExpired: true,
  knowsAge: true,
  counts: true,
};

/** What depends on where values lie. */
type OfValues = "name" | "getMany" | "setMany" | "commit" | "atomic" | "openRead" | "openWrite";

/** What a backend takes from the core as it is: everything but the values. */
export function operationsOf(core: Core): Omit<Backend, OfValues> & NamespaceKeeper {
  const { store, namespace, follower, leases } = core;
  return {
    capabilities: CAPABILITIES,
    touchMany: (changes, options) => core.touchMany(changes, options),
    deleteMany: (keys, options) => core.deleteMany(keys, options),
    deleteWhere: (selector, options) => core.deleteWhere(selector, options),
    scan: (selector, options) => core.scan(selector, options),
    announce: (op, selector, options) => core.announce(op, selector, options),
    position: () => follower.position(),
    changes: (after, signal, idle) => follower.changes(after, signal, idle),
    lease: (key, ms, options) => leases.take(key, ms, options),
    renew: (lease, ms) => leases.renew(lease, ms),
    release: (lease) => leases.release(lease),
    hottest: (limit, options) => core.hottest(limit, options),
    count: (deltas) => count(store, namespace, deltas),
    counters: () => counters(store, namespace),
    resetCounters: () => resetCounters(store, namespace),
    forgetNamespace: async () => {
      store.checkWritable();
      await store.change((link) => forgetNamespace(link, namespace));
    },
    describe: () => core.describe(),
    ping: () => core.ping(),
    prune: () => core.prune(),
    close: () => core.close(),
  };
}
