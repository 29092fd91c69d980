import type { FastifyInstance } from "fastify";
import type { AdminParts } from "./admin-parts.js";
import { figuresOf, shownFigures } from "./tier-figures.js";

/** `GET /cache/stats`: the figures of each tier by its name, and those of all together. */
export function statsRoutes(app: FastifyInstance, { cache }: AdminParts): void {
  app.get("/cache/stats", { config: { role: "viewer" } }, async () => {
    const stats = await cache.stats();
    const tiers = await figuresOf(cache, stats);
    const { hits = 0, misses = 0, sets = 0, errors = 0 } = stats.counters;
    const { resilience } = stats.info;
    return {
      ...Object.fromEntries(tiers.map((tier) => [tier.name, shownFigures(tier)])),
      totals: {
        totalHits: hits,
        totalMisses: misses,
        totalSets: sets,
        errors,
        hitRate: stats.hitRate ?? null,
        breaker: resilience?.breaker ?? "off",
        fallbackHits: resilience?.fallback?.hits ?? 0,
        degraded: resilience?.fallback?.active ?? false,
      },
    };
  });
}
