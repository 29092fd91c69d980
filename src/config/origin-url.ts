import { CacheError } from "../errors.js";
import { redactUrl } from "./store-url.js";

/** An origin, and which requests go to it. */
export interface OriginRoute {
  /** Requests to this host alone, in lower case, with a port where the URLs of clients have one; absent: to every host. */
  host?: string;
  /** Requests whose path begins with this, by whole segments; `/` = all. */
  path: string;
  /** Scheme, host and port, and a path that is put before that of each request. */
  url: string;
}

/**
 * `[HOST[/PATH]=]URL`, one or several.
 * @param where who said it, for the message
 * @throws CacheError `invalid-origin`
 */
export function parseOrigins(texts: readonly string[], where: string): OriginRoute[] {
  const routes = texts.map((text) => parseOrigin(text, where));
  const places = routes.map(({ host = "", path }) => host + path);
  const twice = places.find((place, i) => places.indexOf(place) !== i);
  if (twice === undefined) return routes;
  throw invalid(
    where,
    `${twice === "/" ? "all requests go" : `"${twice}" goes`} to two origins`,
    "Give each a host or a path.",
  );
}

function parseOrigin(text: string, where: string): OriginRoute {
  const equals = /^[^=]*:\/\//.test(text) ? -1 : text.indexOf("=");
  const url = parseUrl(text.slice(equals + 1), where);
  if (equals < 0) return { path: "/", url };
  const place = text.slice(0, equals);
  const [, host = "", path = "/"] = /^([^/]*)(\/.*)?$/.exec(place) ?? [];
  if (!/^[^\s?#]*$/.test(path)) throw invalid(where, `"${path}" is no path`, "Write it like /api, without a query.");
  if (host === "" || host === "*") return { path, url };
  const parsed = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined;
  if (parsed === undefined || parsed.username !== "" || parsed.pathname !== "/") {
    throw invalid(where, `"${host}" is no host`, "Write it like www.example.com=http://127.0.0.1:3000.");
  }
  return { host: parsed.host, path, url };
}

function parseUrl(text: string, where: string): string {
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    throw invalid(where, `"${redactUrl(text)}" is no http or https URL`, "Write it like http://127.0.0.1:3000.");
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid(where, `"${redactUrl(text)}" holds a user or password`, "Leave them out: each client sends its own.");
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalid(where, `"${text}" has a query or fragment`, "An origin is a scheme, a host and perhaps a path.");
  }
  return url.href;
}

function invalid(where: string, what: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-origin", `${where}: ${what}`, { hint });
}
