import type { IncomingMessage, ServerResponse } from "node:http";
import { type FastifyError, type FastifyReply, fastify } from "fastify";
import { openApiAnswer } from "../../api/admin.js";
import { errorToWire } from "../../api/errors.js";
import { type DocumentedRoute, openApi } from "../../api/openapi.js";
import type { AdminToken } from "../../config/admin-tokens.js";
import { CacheError, codeOf } from "../../errors.js";
import { pageFolder, readPage } from "../ui/page-files.js";
import { pageRoutes } from "../ui/page-routes.js";
import type { AdminParts } from "./admin-parts.js";
import { countRoute } from "./count-route.js";
import { documented } from "./documented.js";
import { duplexRoutes } from "./duplex-routes.js";
import { editRoutes } from "./edit-routes.js";
import { entryRoutes } from "./entry-routes.js";
import { Access, type Caller, checkCoding, checkCrossSite, checkHost } from "./guard.js";
import { healthRoutes } from "./health-routes.js";
import { listingRoutes } from "./listing-routes.js";
import { purgeRoutes } from "./purge-routes.js";
import { answerStatus, Refusal } from "./refusal.js";
import { sessionRoutes } from "./session-routes.js";
import { statsRoutes } from "./stats-routes.js";
import { storeRoutes } from "./store-routes.js";
import { tierRoutes } from "./tier-routes.js";
import { valueRoutes } from "./value-routes.js";
import { warmRoute } from "./warm-route.js";
import { watchRoutes } from "./watch-routes.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Who was let in; undefined where everybody is. */
    caller: Caller | undefined;
  }
}

export interface AdminOptions {
  tokens: readonly AdminToken[];
  /** Names of this server in `Host`, besides its addresses and `localhost`; in lower case. */
  names: readonly string[];
  /** Is told of what went wrong here that is nobody's mistake but ours. */
  failed: (error: unknown) => void;
}

/** The admin API, without a socket: whoever has one hands its requests over. */
export interface AdminApi {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** These tokens from the next request on. */
  useTokens(tokens: readonly AdminToken[]): void;
}

/** Bytes of a body where a route does not say otherwise. */
const BODY_LIMIT = 1024 * 1024;

/** Every group of routes. */
const GROUPS = [
  healthRoutes,
  statsRoutes,
  tierRoutes,
  listingRoutes,
  valueRoutes,
  editRoutes,
  countRoute,
  purgeRoutes,
  entryRoutes,
  storeRoutes,
  duplexRoutes,
  warmRoute,
  watchRoutes,
];

/** Answers show data of others: no browser may take them for a page, keep them, or show them in a frame. */
const FIELDS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Puts the admin API together. */
export async function openAdmin(parts: AdminParts, options: AdminOptions): Promise<AdminApi> {
  const access = new Access(options.tokens, parts.clock);
  const names = new Set(options.names);
  const methods = new Methods();
  const fail = (error: unknown, reply: FastifyReply) => {
    const told = tellable(error);
    if (!(told instanceof CacheError)) options.failed(error);
    const status = answerStatus(told);
    if (status === 401) reply.header("www-authenticate", challenge(told));
    return reply.code(status).headers(FIELDS).send(errorToWire(told));
  };
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestIdHeader: false,
    frameworkErrors: (error, _request, reply) => fail(error, reply),
  });
  // Text would be what any page may send.
  app.removeContentTypeParser(["text/plain", "application/json"]);
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    // Some clients say a type where there is nothing to have one.
    if (body === "" && request.method === "DELETE") done(null);
    else parse(request, body, done);
  });
  app.decorateRequest("caller", undefined);
  const known: DocumentedRoute[] = [];
  app.addHook("onRoute", ({ url, method, config: { role, doc } = {} }) => {
    if (role === undefined || doc === undefined) throw new Error(`nobody said who may call ${url}, and what for`);
    methods.add(url, [method].flat());
    // What answers GET answers HEAD by itself.
    if (method !== "HEAD") known.push({ method: String(method), path: url, role, doc });
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(FIELDS);
    checkHost(request, names);
    const { role } = request.routeOptions.config;
    if (role !== "public") request.caller = access.check(request, role ?? "viewer");
    checkCrossSite(request);
    checkCoding(request);
  });
  app.setErrorHandler((error, _request, reply) => fail(error, reply));
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods.of(request.url.split("?", 1)[0] ?? "");
    if (allowed.length === 0)
      throw new Refusal(404, "no-such-route", "there is nothing here", "See GET /openapi.json.");
    reply.header("allow", allowed.join(", "));
    throw new Refusal(405, "method-not-allowed", `this takes ${allowed.join(", ")}`);
  });
  for (const routes of GROUPS) await app.register(async (group) => routes(group, parts));
  await app.register(async (group) => sessionRoutes(group, access));
  const page = await readPage(pageFolder());
  await app.register(async (group) => pageRoutes(group, page));
  documented(
    app,
    ["GET", "/openapi.json"],
    { role: "public", summary: "This document.", answers: { 200: openApiAnswer } },
    async () => openApi(known),
  );
  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    useTokens: (now) => access.use(now),
  };
}

/** RFC 6750 §3: nothing more is said to who sent no token. */
function challenge(error: unknown): string {
  return codeOf(error) === "wrong-token" ? 'Bearer realm="cachectl", error="invalid_token"' : 'Bearer realm="cachectl"';
}

/** What fastify refuses by itself, in our words; anything else as it is. */
function tellable(error: unknown): unknown {
  if (error instanceof CacheError) return error;
  const { statusCode = 500, code, message }: Partial<FastifyError> = error instanceof Error ? error : {};
  if (statusCode >= 500) return error;
  if (code === "FST_ERR_CTP_INVALID_JSON_BODY") {
    return new Refusal(400, "invalid-request", "the body is no JSON, or names a __proto__ or constructor");
  }
  if (statusCode === 413) return new Refusal(413, "body-too-large", "the body is too large for this call");
  if (statusCode === 415) return new Refusal(415, "unsupported-media-type", "this call takes no body of that type");
  return new Refusal(statusCode, "invalid-request", message ?? "the request can't be understood");
}

/** Which methods a path takes. */
class Methods {
  readonly #paths = new Map<string, { pattern: RegExp; methods: string[] }>();

  add(url: string, methods: readonly string[]): void {
    const known = this.#paths.get(url);
    if (known) known.methods.push(...methods);
    else this.#paths.set(url, { pattern: patternOf(url), methods: [...methods] });
  }

  of(path: string): string[] {
    const found = [...this.#paths.values()].filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => methods))];
  }
}

function patternOf(url: string): RegExp {
  const parts = url
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${parts.join("/")}$`);
}
