import type { FastifyInstance } from "fastify";
import type { AdminParts } from "./admin-parts.js";

/** `GET /health/…`: for probes, which have no token. */
export function healthRoutes(app: FastifyInstance, _parts: AdminParts): void {
  app.get("/health/live", { config: { role: "public" } }, async () => ({ status: "ok" }));
}
