import type { FastifyInstance } from "fastify";
import { cacheHealthAnswer, liveAnswer, readyAnswer } from "../../api/admin.js";
import type { Backend, CounterReport } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import type { Clock } from "../../clock.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { Recent, type RecentCounts } from "./recent-counts.js";
import { healthOfTier, PATIENCE_MS, rateOf, type TierHealth, tierNames } from "./tier-figures.js";

/** A tier with less is of no use, if it was asked often enough to tell. */
const LOWEST_HIT_RATE = 0.1;
const FEW_LOOKUPS = 100;
/** So many and it fails. */
const MANY_ERRORS = 10;

/** `GET /health/…`: for probes, which have no token. */
export function healthRoutes(
  app: FastifyInstance,
  { cache, clock, proxies, serves, stopping, warming }: AdminParts,
): void {
  const recent = new Recent(clock);
  // What was counted before the start is of other processes.
  const begun = countersOf(cache).then((counters) => void recent.since(counters));

  documented(
    app,
    ["GET", "/health/live"],
    { role: "public", summary: "Whether the process answers.", answers: { 200: liveAnswer } },
    async () => ({ status: "ok" }),
  );

  documented(
    app,
    ["GET", "/health/ready"],
    {
      role: "public",
      summary: "Whether requests may be sent here: not while it stops.",
      answers: { 200: readyAnswer, 503: readyAnswer },
    },
    async (_asked, reply) => {
      const names = tierNames(cache.backend);
      const { connected } = await healthOfTier(cache, names.at(-1) ?? "");
      // A proxy goes on with its origins; without any there is nothing but the store, or what stands in for it.
      const served = serves() && (connected || proxies || (await canRead(cache.backend, clock)));
      const status = stopping.aborted ? "stopping" : served ? "ready" : "unavailable";
      return reply.code(status === "ready" ? 200 : 503).send({ status, degraded: !connected, warming: warming() });
    },
  );

  documented(
    app,
    ["GET", "/health/cache"],
    {
      role: "public",
      summary: "How each tier does: its connection, its hit rate and its errors of the last ten minutes.",
      answers: { 200: cacheHealthAnswer, 503: cacheHealthAnswer },
    },
    async (_asked, reply) => {
      await begun;
      const counts = recent.since(await countersOf(cache));
      const names = tierNames(cache.backend);
      const tiers = await Promise.all(
        names.map(async (name) => [name, judged(await healthOfTier(cache, name), counts.get(name))] as const),
      );
      const status = tiers.every(([, tier]) => tier.status === "healthy") ? "healthy" : "unhealthy";
      return reply.code(status === "healthy" ? 200 : 503).send({ status, tiers: Object.fromEntries(tiers) });
    },
  );
}

/** Asks below the cache, which may take a read that fails for a miss. */
async function canRead(backend: Backend, clock: Clock): Promise<boolean> {
  const over = new AbortController();
  const read = async () => backend.getMany(["readiness"], { peek: true, signal: over.signal });
  const answered = read().then(
    () => true,
    () => false,
  );
  const late = clock.sleep(PATIENCE_MS, over.signal).then(() => false);
  const answer = await Promise.race([answered, late]);
  over.abort();
  return answer;
}

/** Of each tier; none where the store can't be asked, of which its connection tells. */
async function countersOf(cache: Cache): Promise<ReadonlyMap<string, CounterReport["counters"]>> {
  const [name = ""] = tierNames(cache.backend);
  const report = await cache.counters({ timeout: PATIENCE_MS }).catch(() => undefined);
  const tiers = report?.tiers ?? (report ? [{ name, counters: report.counters }] : []);
  return new Map(tiers.map((tier) => [tier.name, tier.counters]));
}

function judged({ connected }: TierHealth, counts: RecentCounts = { hits: 0, misses: 0, errors: 0 }) {
  const { hits, misses, errors } = counts;
  const lookups = hits + misses;
  const hitRate = rateOf(hits, misses);
  const because = !connected
    ? "the store does not answer"
    : errors >= MANY_ERRORS
      ? `${errors} errors of late`
      : lookups >= FEW_LOOKUPS && (hitRate ?? 0) <= LOWEST_HIT_RATE
        ? `a hit rate of ${((hitRate ?? 0) * 100).toFixed(1)}% of late`
        : undefined;
  const status = because === undefined ? "healthy" : "unhealthy";
  return { status, ...(because !== undefined && { because }), connected, hitRate, lookups, errors };
}
