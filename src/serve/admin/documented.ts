import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from "fastify";
import { checked, type Schema } from "../../api/checked.js";
import type { OtherType, RouteDoc } from "../../api/openapi.js";
import type { AdminRole } from "../../config/admin-tokens.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may call the route. Every route says it. */
    role?: "public" | AdminRole;
    /** What `GET /openapi.json` says of it. Every route has it. */
    doc?: RouteDoc;
  }
}

/** A route whose requests are checked by the schemas that its document is made of. */
export interface Documented<P, Q, B> {
  role: "public" | AdminRole;
  summary: string;
  params?: Schema<P>;
  query?: Schema<Q>;
  body?: Schema<B>;
  answers: Readonly<Record<number, Schema<unknown> | OtherType>>;
  /** Bytes of the body at most. */
  bodyLimit?: number;
}

/** What a call asks for, checked. */
export interface Asked<P, Q, B> {
  params: P;
  query: Q;
  body: B;
}

/** Adds a route. @param work gives the body of the answer */
export function documented<P = undefined, Q = undefined, B = undefined>(
  app: FastifyInstance,
  [method, url]: readonly [HTTPMethods, string],
  { role, summary, params, query, body, answers, bodyLimit }: Documented<P, Q, B>,
  work: (asked: Asked<P, Q, B>, reply: FastifyReply, request: FastifyRequest) => Promise<unknown>,
): void {
  const doc: RouteDoc = { summary, answers, ...(params && { params }), ...(query && { query }), ...(body && { body }) };
  app.route({
    method,
    url,
    ...(bodyLimit !== undefined && { bodyLimit }),
    config: { role, doc },
    handler: (request, reply) => {
      const asked = {
        params: params && checked(params, request.params),
        query: query && checked(query, request.query),
        body: body && checked(body, request.body),
      };
      return work(asked as Asked<P, Q, B>, reply, request);
    },
  });
}
