/** Characters of a text from a client that are kept. */
const MOST_TARGET = 2048;

/** Names of query parameters whose values are secrets, wherever one of these words is in them. */
const SECRET =
  /token|bearer|ticket|secret|passw|pass$|pw$|pwd|policy|key|sig|auth|session|sid$|credential|code|jwt|assertion|otp|nonce|hash|hmac|cookie|pin$/i;

/** Where a request was for, as it may be written down: without user and password, and without the values of parameters that look like secrets. */
export function loggedTarget(target: string, withQuery: boolean): string {
  const cut = target.length > MOST_TARGET ? `${target.slice(0, MOST_TARGET)}…` : target;
  const whole = cut.includes("@") ? cut.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1") : cut;
  const at = whole.indexOf("?");
  const path = at < 0 ? whole : whole.slice(0, at);
  const shown = path.includes(";") ? path.replace(/;[^;/]*/g, (part) => `;${withoutSecret(part.slice(1))}`) : path;
  if (at < 0 || !withQuery) return shown;
  return `${shown}?${whole
    .slice(at + 1)
    .split("&")
    .map(withoutSecrets)
    .join("&")}`;
}

/** Some servers take `;` for `&`, others for a part of the value: what stands behind a secret may be more of it. */
function withoutSecrets(parameters: string): string {
  const parts = parameters.split(";").map((part) => ({ part, shown: withoutSecret(part) }));
  const first = parts.findIndex(({ part, shown }) => shown !== part);
  return parts
    .filter(({ part }, i) => first < 0 || i <= first || part.includes("="))
    .map(({ shown }) => shown)
    .join(";");
}

function withoutSecret(parameter: string): string {
  const [name = "", value] = /^([^=]*)(?:=(.*))?$/s.exec(parameter)?.slice(1) ?? [];
  if (value === undefined) return SECRET.test(/^[^=]*(?==)/.exec(plain(name))?.[0] ?? "") ? "***" : parameter;
  if (SECRET.test(plain(name))) return `${name}=***`;
  // A URL, or a whole query, as a value.
  const inner = plain(value).match(/[^=?&;#/]*(?==)/g) ?? [];
  return inner.some((own) => SECRET.test(own)) ? `${name}=***` : parameter;
}

/** A name whose letters are hidden as percent-triplets; decoded twice, since some frameworks do. */
function plain(name: string): string {
  const decode = (text: string) =>
    text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return name.includes("%") ? decode(decode(name)) : name;
}
