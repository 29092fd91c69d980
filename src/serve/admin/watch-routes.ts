import type { FastifyInstance } from "fastify";
import type { Metrics } from "../watching/metrics.js";
import type { AdminParts } from "./admin-parts.js";
import { Refusal } from "./refusal.js";

/** `GET /metrics` for Prometheus, and `GET /events`: what happens, as it happens. */
export function watchRoutes(app: FastifyInstance, { watch, stopping }: AdminParts): void {
  if (watch === undefined) return;
  stopping.addEventListener("abort", () => watch.events.close());
  let metrics: Promise<Metrics> | undefined;
  app.get("/metrics", { config: { role: "viewer", doc: METRICS } }, async (_request, reply) => {
    // prom-client is loaded when somebody wants it.
    metrics ??= import("../watching/metrics.js").then(({ Metrics }) => new Metrics(() => watch.see()));
    const { contentType, text } = await (await metrics).scrape();
    return reply.type(contentType).send(text);
  });
  app.get("/events", { config: { role: "viewer", doc: EVENTS }, exposeHeadRoute: false }, async ({ caller }, reply) => {
    const { events } = watch;
    if (!events.open) {
      throw new Refusal(503, "too-many-listeners", "no more can listen to events just now", "Try again later.");
    }
    reply.hijack();
    const { raw } = reply;
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
    // A proxy in front would else keep events until there are many.
    raw.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    watch.join(raw, () => caller?.holds() ?? false);
    return reply;
  });
}

const METRICS = { summary: "Figures for Prometheus.", answers: { 200: { type: "text/plain" } } };
const EVENTS = { summary: "What happens, as it happens.", answers: { 200: { type: "text/event-stream" } } };
