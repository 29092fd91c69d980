import { createHash } from "node:crypto";
import type { Backend, BackendContext, Capabilities } from "./backends/backend.js";
import { openBackend, type StoreOptions } from "./backends/open.js";
import type { ResilienceOptions } from "./backends/resilient/index.js";
import type { TransformOptions } from "./backends/transform/index.js";

/** A store of several. */
export interface PlannedTier {
  /** `memory`, `redis:1`. */
  name: string;
  store: StoreOptions;
  /** Milliseconds that a copy lives in it at most; null = no cap. Default: 5 minutes in memory, else none. */
  ttlMs?: number | null;
  /** Refuse every write to this one. */
  readOnly?: boolean;
}

/** What a cache is made of. */
export interface Plan {
  /** Fastest first, at least one. */
  tiers: readonly PlannedTier[];
  /** Stands in for the last of them while that is away. */
  fallback?: { store: StoreOptions; journalPath?: string };
  /** Raw prefix of every key, with its `:`. */
  namespace: string;
  readOnly: boolean;
  transform: Omit<TransformOptions, "namespace">;
  /** Of stores behind a network; `false`: their failures go to the caller as they are. */
  resilience: ResilienceOptions | false;
  /**
   * For a process that does more than one thing: nobody waits in it for another one's lock, or until upper tiers can be used; and unless `resilience` is `false`, a store behind a
   * network that is away when it is opened is asked again with each call, instead of failing the opening.
   */
  livesOn: boolean;
}

/** What is not heard of ends with it: a foreign client that writes past the log. */
const MEMORY_TTL_MS = 300_000;

type Context = Pick<BackendContext, "clock" | "emit" | "signal">;

/** What is known of a store behind a network before it was reached. */
const UNREACHED: Omit<Capabilities, "counts"> = {
  persistent: true,
  shared: true,
  repeatsInScan: true,
  keepsExpired: false,
  knowsAge: false,
};

/** Kinds of store behind a network, and whether they count for a namespace. */
const BEHIND_NETWORK: { [Kind in StoreOptions["kind"]]?: (namespace: string) => boolean } = {
  redis: (namespace) => namespace !== "",
  remote: (namespace) => namespace === "",
};

/**
 * Opens the stores of a plan, each wrapped in what it needs, as one backend: `tiered(…, fallback(resilient(transformed(store))))`. What a plan does not ask for is
 * neither loaded nor in the way.
 * @throws CacheError what the stores say; those that were opened are closed
 */
export async function compose(plan: Plan, context: Context): Promise<Backend> {
  if (isTransforming(plan)) {
    const { checkTransform } = await import("./backends/transform/index.js");
    checkTransform(plan.transform);
  }
  const opened = await Promise.allSettled(
    plan.tiers.map((tier, i) => openTier(plan, tier, i === plan.tiers.length - 1, context)),
  );
  const backends = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failure = opened.find((one) => one.status === "rejected");
  if (failure) {
    await Promise.allSettled(backends.map((backend) => backend.close()));
    throw failure.reason;
  }
  const [only, ...others] = backends;
  if (only !== undefined && others.length === 0) return only;
  const { openTiered } = await import("./backends/tiered/index.js");
  const tiers = plan.tiers.flatMap(({ name, store, ttlMs = store.kind === "memory" ? MEMORY_TTL_MS : null }, i) => {
    const backend = backends[i];
    return backend ? [{ name, backend, ttlMs }] : [];
  });
  const tiered = openTiered(tiers, { ...context, namespace: plan.namespace, readOnly: plan.readOnly });
  if (!plan.livesOn) await tiered.ready();
  return tiered;
}

async function openTier(plan: Plan, tier: PlannedTier, isLowest: boolean, context: Context): Promise<Backend> {
  const { fallback } = plan;
  const full: BackendContext = {
    ...context,
    namespace: plan.namespace,
    readOnly: plan.readOnly || (tier.readOnly ?? false),
  };
  // Copies in this process's memory are safe from others, are to be read fast, and are made also where the store itself may only be read.
  if (tier.store.kind === "memory" && !isLowest) return openBackend(tier.store, { ...full, readOnly: false });
  const open = (store: StoreOptions, over?: AbortSignal) => {
    const signal = bothOf(full.signal, over);
    return openTransformed(waiting(store, plan), plan.transform, { ...full, ...(signal && { signal }) });
  };
  const { kind } = tier.store;
  const counts = BEHIND_NETWORK[kind];
  const remote = counts !== undefined;
  const standsIn = isLowest && fallback !== undefined;
  if (!standsIn && (!remote || plan.resilience === false)) return open(tier.store);
  const { resilient, withFallback } = await import("./backends/resilient/index.js");
  const store = resilient(
    remote && ((plan.livesOn && plan.resilience !== false) || standsIn)
      ? (over) => open(tier.store, over)
      : await open(tier.store),
    plan.resilience || { retries: 0, breaker: false, healthIntervalMs: 0 },
    {
      ...context,
      target: tier.name,
      ...(counts && { expected: { name: kind, capabilities: { ...UNREACHED, counts: counts(plan.namespace) } } }),
    },
  );
  if (!standsIn) return store;
  try {
    const { journalPath = journalBeside(fallback.store, plan) } = fallback;
    return withFallback(
      store,
      await open(fallback.store),
      { patient: !plan.livesOn, ...(journalPath !== undefined && { journalPath }) },
      full,
    );
  } catch (error) {
    await store.close();
    throw error;
  }
}

function bothOf(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  return one && other ? AbortSignal.any([one, other]) : (one ?? other);
}

/** A process that lives on has other things to do than to wait for another one's lock. */
function waiting(store: StoreOptions, { livesOn }: Plan): StoreOptions {
  return livesOn && "path" in store ? { wait: "async", ...store } : store;
}

const isTransforming = ({ transform }: Pick<Plan, "transform">) => Object.keys(transform).length > 0;

/** Also where nothing is asked for: what others compressed or encrypted is read all the same. */
async function openTransformed(
  store: StoreOptions,
  transform: Plan["transform"],
  context: BackendContext,
): Promise<Backend> {
  const backend = await openBackend(store, context);
  if (store.kind === "memory" && !isTransforming({ transform })) return backend;
  const { transformed } = await import("./backends/transform/index.js");
  return transformed(backend, { ...transform, namespace: context.namespace }, context);
}

/** A fallback on disk outlives the process, and so must what it has to make up for. One file for each store and namespace that it stands in for. */
function journalBeside(fallback: StoreOptions, { tiers, namespace }: Plan): string | undefined {
  if (!("path" in fallback)) return undefined;
  const store = tiers.at(-1)?.store;
  // Who speaks to it, and with what password, makes it no other store.
  const place =
    store === undefined || store.kind === "memory"
      ? ""
      : "url" in store
        ? store.url.replace(/\/\/[^/]*@/, "//")
        : store.path;
  const name = createHash("sha256")
    .update(JSON.stringify([store?.kind, place, namespace]))
    .digest("hex");
  return `${fallback.path}.journal-${name.slice(0, 16)}`;
}
