import type { IncomingMessage } from "node:http";
import type { Fields } from "../../http/message.js";

type Request = Pick<IncomingMessage, "socket" | "headers">;

/** What the value of a session's cookie looks like; nothing else is looked at. */
const SECRET = /^[A-Za-z0-9_-]{43}$/;

export function isEncrypted({ socket }: Pick<IncomingMessage, "socket">): boolean {
  return "encrypted" in socket;
}

/** Cookies know hosts and no ports (RFC 6265 §8.5): two servers on one machine need two names. */
function plainName({ socket }: Request): string {
  return `cachectl-${socket.localPort ?? 0}`;
}

/** Nobody can set one of this name without TLS. */
const OVER_TLS = "__Host-";

/** What cookies of the session's name hold; more than one where others set such, too. */
export function sessionSecrets(request: Request): string[] {
  const plain = plainName(request);
  // TLS may be spoken by what is in front of us.
  const names = [`${OVER_TLS}${plain}=`, ...(isEncrypted(request) ? [] : [`${plain}=`])];
  return (request.headers.cookie ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => names.some((name) => pair.startsWith(name)))
    .map((pair) => pair.slice(pair.indexOf("=") + 1))
    .filter((value) => SECRET.test(value));
}

/** The field that gives a browser its session, or takes it away. @param maxAge seconds, 0 = it ends */
export function sessionCookie(request: Request, secret: string, maxAge: number): string {
  const isSecure = isEncrypted(request) || request.headers.origin?.startsWith("https:");
  const name = `${isSecure ? OVER_TLS : ""}${plainName(request)}`;
  return `${name}=${secret}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
}

const OWN_PAIR = /^\s*(?:__Host-)?cachectl-\d+=/;

/** The fields of a request without sessions of admin pages: browsers send them to every port of the host, and so to our proxy, but they are for no origin. */
export function withoutSessions(fields: Fields): Fields {
  const isCookie = (i: number) => fields[i - (i % 2)]?.toLowerCase() === "cookie";
  if (!fields.some((text, i) => i % 2 === 1 && isCookie(i) && text.includes("cachectl-"))) return fields;
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name = "", text = ""] = [fields[i], fields[i + 1]];
    const pairs = isCookie(i) ? text.split(";").filter((pair) => !OWN_PAIR.test(pair)) : [text];
    if (pairs.length > 0) kept.push(name, isCookie(i) ? pairs.join(";").trim() : text);
  }
  return kept;
}
