import type { FastifyInstance } from "fastify";
import { explainAnswer, explainQuery, purgeAnswer, purgeBody, rulesAnswer } from "../../api/admin.js";
import { explainUrl, fieldFromText } from "../explain-url.js";
import type { AdminParts } from "./admin-parts.js";
import { countPurge } from "./count-route.js";
import { documented } from "./documented.js";
import { goneSignal } from "./line-stream.js";
import { Refusal } from "./refusal.js";

/** What is about stored HTTP responses: `POST /cache/purge`, `GET /cache/explain`, `GET /cache/rules`. */
export function purgeRoutes(app: FastifyInstance, { http, clock, explaining, watch }: AdminParts): void {
  documented(
    app,
    ["POST", "/cache/purge"],
    {
      role: "operator",
      summary: "Forget HTTP responses: of URLs with all their variants, by prefix, glob or tag.",
      body: purgeBody,
      answers: { 200: purgeAnswer, 202: purgeAnswer },
    },
    async ({ body: { soft = false, dryRun = false, ...request } }, reply) => {
      const signal = goneSignal(reply);
      if (dryRun) {
        const { count, exact } = await countPurge(http, request, signal);
        return { dryRun, count, exact: exact && !signal.aborted };
      }
      const { deleted, softened, pending } = await http.purge(request, { soft, signal });
      watch?.purged(request, { deleted, softened });
      const report = { deleted, softened, complete: !signal.aborted && !pending, ...(pending && { pending }) };
      return reply.code(pending ? 202 : 200).send(report);
    },
  );

  documented(
    app,
    ["GET", "/cache/explain"],
    {
      role: "viewer",
      summary: "Which rule, key, freshness and tags a URL has, and what is stored of it.",
      query: explainQuery,
      answers: { 200: explainAnswer },
    },
    async ({ query: { url, method = "GET", header = [] } }) => {
      const fields = header.flatMap(fieldFrom);
      return explainUrl({ url, method, fields }, { ...explaining(), store: http, now: clock.now() });
    },
  );

  documented(
    app,
    ["GET", "/cache/rules"],
    {
      role: "viewer",
      summary: "The rules for HTTP responses as they are in force; the first that matches a request counts.",
      answers: { 200: rulesAnswer },
    },
    async () => {
      const { rules, cacheableMethods, defaultLifetimeMs = null } = explaining();
      return { rules, cacheableMethods, defaultLifetimeMs };
    },
  );
}

/** @throws Refusal 400 */
function fieldFrom(text: string): readonly string[] {
  const field = fieldFromText(text);
  if (field) return field;
  throw new Refusal(400, "invalid-request", "header: is no header", "Write it like header=Accept:%20text/html.");
}
