import type { FastifyInstance } from "fastify";
import { statsAnswer } from "../../api/admin.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { rateOf, readFigures, shownFigures } from "./tier-figures.js";

/** `GET /cache/stats`: the figures of each tier by its name, and those of all together. */
export function statsRoutes(app: FastifyInstance, { cache, watch }: AdminParts): void {
  documented(
    app,
    ["GET", "/cache/stats"],
    { role: "viewer", summary: "The figures of each tier, and of all together.", answers: { 200: statsAnswer } },
    async () => {
      const { all, tiers } = await (watch?.store() ?? readFigures(cache));
      const { hits = 0, misses = 0, sets = 0, errors = 0 } = all?.counters ?? {};
      const lowest = tiers.at(-1);
      const { breaker = watch?.breakerOf(lowest?.name), fallback } = all?.info.resilience ?? {};
      return {
        ...Object.fromEntries(tiers.map((tier) => [tier.name, shownFigures(tier)])),
        totalHits: all ? hits : null,
        totalMisses: all ? misses : null,
        totalSets: all ? sets : null,
        errors: all ? errors : null,
        hitRate: rateOf(hits, misses),
        breaker: breaker ?? "off",
        fallbackHits: fallback?.hits ?? 0,
        degraded: fallback?.active ?? lowest?.connected === false,
      };
    },
  );
}
