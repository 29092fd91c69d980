import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { pageFileParams } from "../../api/session.js";
import { preferredCoding } from "../../http/content-coding.js";
import { documented } from "../admin/documented.js";
import { Refusal } from "../admin/refusal.js";
import type { PageFile, PageFiles } from "./page-files.js";

/** Scripts and styles are files of ours, images may also be made of values by the page, and nothing else comes from anywhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const FIELDS = { "content-security-policy": POLICY, "cross-origin-opener-policy": "same-origin" };

/** Names of files hold a hash of what is in them. */
const FOREVER = "public, max-age=31536000, immutable";
const HASHED = /-[A-Z0-9]{8}\.[a-z]+$/;

/** The admin page: at `/`, which is the origin's where proxy and admin API share a port, and below `/cache/ui/` in both cases. */
export function pageRoutes(app: FastifyInstance, files: PageFiles): void {
  const index = files.get("index.html");
  for (const path of ["/", "/cache/ui", "/cache/ui/"]) {
    documented(
      app,
      ["GET", path],
      { role: "public", summary: "The admin page.", answers: { 200: { type: "text/html" } } },
      async (_asked, reply, request) => {
        if (index) return send(index, request, reply.headers(FIELDS));
        throw new Refusal(404, "no-page", "the admin page was not built", "Run: npm run build");
      },
    );
  }
  documented(
    app,
    ["GET", "/cache/ui/:file"],
    {
      role: "public",
      summary: "What the admin page is made of.",
      params: pageFileParams,
      answers: { 200: { type: "*/*" } },
    },
    async ({ params }, reply, request) => {
      const file = HASHED.test(params.file) ? files.get(params.file) : undefined;
      if (file) return send(file, request, reply.header("cache-control", FOREVER));
      throw new Refusal(404, "no-such-route", "there is no such file of the page", "Load the page again.");
    },
  );
}

function send({ type, bytes, coded }: PageFile, { raw }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const coding = preferredCoding(raw.rawHeaders);
  const sent = coding && coded.get(coding);
  reply.header("vary", "Accept-Encoding");
  if (coding && sent) reply.header("content-encoding", coding);
  return reply.type(type).send(sent ?? bytes);
}
