import type { FastifyInstance } from "fastify";
import { loginBody, sessionAnswer } from "../../api/session.js";
import { documented } from "./documented.js";
import type { Access, Caller } from "./guard.js";
import { sessionCookie } from "./session-cookie.js";

/** Bytes of a body with a token in it. */
const BODY_LIMIT = 4096;
const NOBODY = { name: null, role: null, expiresAt: null };

/** `/cache/session`: a browser logs in with a token and gets a cookie, so that no script of a page ever holds the token. */
export function sessionRoutes(app: FastifyInstance, access: Access): void {
  documented(
    app,
    ["GET", "/cache/session"],
    { role: "public", summary: "Who calls, and what that may do.", answers: { 200: sessionAnswer } },
    async (_asked, _reply, request) => shown(access.callerOf(request)),
  );

  documented(
    app,
    ["POST", "/cache/session"],
    {
      role: "public",
      summary: "Log a browser in: the answer sets a cookie that counts as the token.",
      body: loginBody,
      bodyLimit: BODY_LIMIT,
      answers: { 200: sessionAnswer },
    },
    async ({ body }, reply, request) => {
      const { caller, secret, maxAge } = access.logIn(body.token);
      reply.header("set-cookie", sessionCookie(request.raw, secret, maxAge));
      return shown(caller);
    },
  );

  documented(
    app,
    ["DELETE", "/cache/session"],
    { role: "public", summary: "End the session that the cookie is of.", answers: { 200: sessionAnswer } },
    async (_asked, reply, request) => {
      const caller = access.callerOf(request);
      if (caller) access.logOut(caller);
      reply.header("set-cookie", sessionCookie(request.raw, "", 0));
      return NOBODY;
    },
  );
}

function shown(caller: Caller | undefined) {
  if (caller === undefined) return NOBODY;
  const { name, role, session } = caller;
  return { name, role, expiresAt: session?.expiresAt ?? null };
}
