/** Characters of a text from a client that are kept. */
const MOST_TARGET = 2048;

/** Names of query parameters whose values are secrets, wherever one of these words is in them. */
const SECRET =
  /token|secret|passw|pwd|key|sig|auth|session|sid$|credential|code|jwt|assertion|otp|nonce|hash|hmac|cookie|pin$/i;

/** Where a request was for, as it may be written down: without user and password, and without the values of parameters that look like secrets. */
export function loggedTarget(target: string, withQuery: boolean): string {
  const cut = target.length > MOST_TARGET ? `${target.slice(0, MOST_TARGET)}…` : target;
  const path = cut.includes("@") ? cut.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1") : cut;
  const at = path.indexOf("?");
  if (at < 0) return path;
  if (!withQuery) return path.slice(0, at);
  return `${path.slice(0, at + 1)}${path
    .slice(at + 1)
    .split(/([&;])/)
    .map(withoutSecret)
    .join("")}`;
}

function withoutSecret(parameter: string): string {
  const at = parameter.indexOf("=");
  return at >= 0 && SECRET.test(plain(parameter.slice(0, at))) ? `${parameter.slice(0, at)}=***` : parameter;
}

/** A name whose letters are hidden as percent-triplets; decoded twice, since some frameworks do. */
function plain(name: string): string {
  const decode = (text: string) =>
    text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return name.includes("%") ? decode(decode(name)) : name;
}
