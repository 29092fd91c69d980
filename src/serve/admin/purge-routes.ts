import type { FastifyInstance } from "fastify";
import { explainAnswer, explainQuery, purgeAnswer, purgeBody } from "../../api/admin.js";
import { Distinct } from "../../cache/distinct.js";
import type { HttpCache } from "../../http/http-cache.js";
import type { PurgeRequest } from "../../http/purge.js";
import { explainUrl, fieldFromText } from "../explain-url.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { goneSignal } from "./line-stream.js";
import { Refusal } from "./refusal.js";

/** What is about stored HTTP responses: `POST /cache/purge`, `GET /cache/explain`. */
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
      if (dryRun) return { dryRun, ...(await countOf(http, request, signal)) };
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
}

async function countOf(http: HttpCache, request: PurgeRequest, signal: AbortSignal) {
  // A store may name a key twice, and two selectors may hold the same.
  const distinct = new Distinct(true);
  let count = 0;
  for await (const keys of http.purgeable(request, { signal })) {
    for (const key of keys) if (!distinct.isRepeat(key)) count += 1;
  }
  return { count, exact: distinct.exact && !signal.aborted };
}

/** @throws Refusal 400 */
function fieldFrom(text: string): readonly string[] {
  const field = fieldFromText(text);
  if (field) return field;
  throw new Refusal(400, "invalid-request", "header: is no header", "Write it like header=Accept:%20text/html.");
}
