import type { FastifyInstance } from "fastify";
import { clearAnswer, clearQuery, pingAnswer, tierHealthAnswer, tierInfoAnswer, tierParams } from "../../api/admin.js";
import { errorToWire } from "../../api/errors.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { goneSignal } from "./line-stream.js";
import { Refusal } from "./refusal.js";
import { callOfTier, healthOfTier, PATIENCE_MS, spaceOf, tierNames } from "./tier-figures.js";
import { tierOf } from "./tier-of.js";

/** `/cache/{tier}…`: one of several stores, or the only one by its kind. */
export function tierRoutes(app: FastifyInstance, { cache, backend, namespace, clearElsewhere }: AdminParts): void {
  /** @throws Refusal 404 */
  const known = (tier: string): string => {
    const names = tierNames(backend);
    if (names.includes(tier)) return tier;
    throw new Refusal(404, "unknown-tier", "there is no such tier", `There is ${names.join(", ")}.`);
  };

  documented(
    app,
    ["GET", "/cache/:tier/health"],
    {
      role: "viewer",
      summary: "Whether a tier answers, and what it holds.",
      params: tierParams,
      answers: { 200: tierHealthAnswer, 503: tierHealthAnswer },
    },
    async ({ params }, reply) => {
      const { name, connected, latency, error } = await healthOfTier(cache, known(params.tier));
      const call = { timeout: PATIENCE_MS, ...callOfTier(cache, name) };
      const space = connected ? spaceOf((await cache.stats(call)).info) : {};
      const status = connected ? "healthy" : "unhealthy";
      return reply.code(connected ? 200 : 503).send({
        ...{ status, latency, connected, ...space },
        ...(error && errorToWire(error)),
      });
    },
  );

  documented(
    app,
    ["GET", "/cache/:tier/ping"],
    { role: "viewer", summary: "One round trip to a tier.", params: tierParams, answers: { 200: pingAnswer } },
    async ({ params }) => {
      const { latency, error } = await healthOfTier(cache, known(params.tier));
      if (error) throw error;
      return { status: "ok", latency };
    },
  );

  documented(
    app,
    ["GET", "/cache/:tier/info"],
    { role: "viewer", summary: "What a tier says of itself.", params: tierParams, answers: { 200: tierInfoAnswer } },
    async ({ params }) => {
      const name = known(params.tier);
      const { info } = await cache.stats(callOfTier(cache, name));
      return { name, ...info, capabilities: tierOf(backend, name).capabilities };
    },
  );

  documented(
    app,
    ["DELETE", "/cache/:tier"],
    {
      role: "operator",
      summary: "Delete every entry of a tier.",
      params: tierParams,
      query: clearQuery,
      answers: { 200: clearAnswer, 202: clearAnswer },
    },
    async ({ params, query }, reply) => {
      const tier = known(params.tier);
      const call = callOfTier(cache, tier);
      if (namespace === "" && tierOf(backend, tier).capabilities.shared) {
        const { target } = (await cache.stats(call)).info;
        if (query.confirm !== target) {
          throw new Refusal(
            409,
            "needs-confirmation",
            `without a namespace that is all of ${target}, whoever wrote it`,
            `Say it with ?confirm=${encodeURIComponent(target)}`,
          );
        }
      }
      const { deleted, complete, pending } = await cache.clear({ ...call, signal: goneSignal(reply) });
      const elsewhere = tierOf(backend, tier).name === "memory" ? await clearElsewhere(tier) : 0;
      const said = { tier, deleted: deleted + elsewhere, complete, ...(pending && { pending }) };
      return reply.code(pending ? 202 : 200).send(said);
    },
  );
}
