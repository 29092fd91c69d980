import { formatDuration } from "../units.js";
import { requestDirectives } from "./cache-control.js";
import { currentAgeMs } from "./freshness.js";
import type { Found } from "./http-cache.js";
import { responseKey } from "./key.js";
import type { RequestHead } from "./message.js";
import { decideReuse } from "./reuse.js";
import { type Rules, withPath } from "./rules.js";

/** What would become of a request, and why. Times in milliseconds. */
export interface Explanation {
  method: string;
  /** Normalised, with the query of the rule: what the origin is asked for. */
  url: string;
  /** The place of the rule that counts, null where none does. */
  rule: string | null;
  /** The rules in their order, as far as they were looked at. */
  considered: { place: string; pattern: string; matches: boolean; because: string }[];
  /** Whether its response may come from the store, and be stored. */
  cacheable: boolean;
  because: string;
  key: string;
  /** What the key of a variant depends on besides the `Vary` of the response: `:body` is the content, `cookie:…` a cookie. */
  dependsOn: readonly string[];
  /** What decides how long a response is fresh, in order. */
  freshness: string[];
  /** Of the rule; the origin may name more. */
  tags: readonly string[];
  /** What is stored for it now; null where nothing is, undefined where nobody looked. */
  stored?: StoredExplanation | null;
}

interface StoredExplanation {
  key: string;
  status: number;
  bytes: number;
  ageMs: number;
  lifetimeMs: number;
  /** Where the lifetime is from: `rule`, `s-maxage`, `max-age`, `expires`, `default`, `heuristic`. */
  lifetimeFrom: string;
  tags: readonly string[];
  /** `fresh`, `stale`, or that the origin is asked: `validate`, `fetch`. */
  use: string;
}

export interface ExplainOptions {
  /** Milliseconds of freshness for responses that carry none. */
  defaultLifetimeMs: number | undefined;
  /** Epoch milliseconds. */
  now: number;
}

/** The request as the store has it under the rules: with the URL that it is stored under. */
export function ruledRequest(rules: Rules, request: RequestHead): RequestHead {
  const { path } = rules.rule(request);
  return path === undefined ? request : { ...request, url: withPath(request.url, path) };
}

/**
 * Which rule, key, freshness and tags apply to a request.
 * @param request with a normalised URL and the fields that its client sends
 * @param found what is stored for it, if somebody looked
 */
export function explain(
  rules: Rules,
  request: RequestHead,
  found: Found | undefined,
  options: ExplainOptions,
): Explanation {
  const { rule, cacheable, compresses, names } = rules.rule(request);
  const { url } = ruledRequest(rules, request);
  return {
    method: request.method,
    url,
    rule: rule?.place ?? null,
    considered: rules.trace(request).map(({ rule: { place, pattern }, unmatched }) => ({
      place,
      pattern,
      matches: unmatched === undefined,
      because: unmatched === undefined ? "it is the first that matches" : whyNot(unmatched, request),
    })),
    cacheable,
    because: whyCacheable(rule?.bypass === true, cacheable, request.method),
    key: responseKey(request.method, url),
    dependsOn: compresses ? [...names, "accept-encoding"] : names,
    freshness: freshnessOf(rule, options.defaultLifetimeMs),
    tags: rule?.tags ?? [],
    ...(found && { stored: storedOf(found, request, options.now) }),
  };
}

function whyNot(unmatched: string, { method }: RequestHead): string {
  if (unmatched === "pattern") return "the pattern does not match";
  if (unmatched === "method") return `it is not about ${method}`;
  return `the ${unmatched} is not as it wants it`;
}

function whyCacheable(bypass: boolean, cacheable: boolean, method: string): string {
  if (bypass) return "the rule sends it past the cache";
  if (!cacheable) return `responses to ${method} are not cached here`;
  return "the response may be stored, if HTTP and the rule allow it";
}

function freshnessOf(rule: ReturnType<Rules["rule"]>["rule"], defaultLifetimeMs: number | undefined): string[] {
  const said: string[] = [];
  if (rule?.bypass) return said;
  const { ttlMs, swrMs, sieMs, conditions, override, place } = rule ?? {};
  const statuses = conditions?.statusCodes?.join(", ") ?? "200, 203, 204, 300, 301 and 308";
  if (ttlMs !== undefined)
    said.push(`${place}: ${ttlMs === null ? "for good" : formatDuration(ttlMs)}, for status ${statuses}`);
  said.push("the origin: CDN-Cache-Control, else s-maxage, max-age or Expires");
  said.push(
    defaultLifetimeMs === undefined
      ? "a tenth of the time since Last-Modified"
      : `the settings: ${formatDuration(defaultLifetimeMs)} where the origin says nothing`,
  );
  if (swrMs !== undefined) said.push(`${place}: used stale for ${formatDuration(swrMs)} while it is fetched anew`);
  if (sieMs !== undefined) said.push(`${place}: used stale for ${formatDuration(sieMs)} where the origin fails`);
  if (override) said.push(`${place}: no-store, private, no-cache, must-revalidate and Set-Cookie are overridden`);
  return said;
}

function storedOf(found: Found, request: RequestHead, now: number): StoredExplanation | null {
  if (found.kind === "none") return null;
  const { key, response, size, tags } = found;
  return {
    key,
    status: response.status,
    bytes: size,
    ageMs: currentAgeMs(response.initialAgeMs, response.responseTime, now),
    lifetimeMs: response.lifetimeMs,
    lifetimeFrom: response.lifetimeSource,
    tags,
    use: decideReuse(response, requestDirectives(request.fields), now).use,
  };
}

/** The same for people. */
export function explanationText(explanation: Explanation): string {
  const { method, url, considered, rule, cacheable, because, key, dependsOn, freshness, tags, stored } = explanation;
  const lines = [
    `request    ${method} ${url}`,
    ...considered.map(({ place, pattern, because: why }) => `           ${place} ${pattern}: ${why}`),
    `rule       ${rule ?? "none"}`,
    `cacheable  ${cacheable ? "yes" : "no"}: ${because}`,
    `key        ${key}`,
    ...(dependsOn.length > 0 ? [`           and ${dependsOn.join(", ")}`] : []),
    ...freshness.map((said, i) => `${i === 0 ? "freshness " : "          "} ${said}`),
    ...(tags.length > 0 ? [`tags       ${tags.join(", ")}`] : []),
  ];
  if (stored === null) lines.push("stored     nothing");
  if (stored) {
    const { status, bytes, ageMs, lifetimeMs, lifetimeFrom, use } = stored;
    const times = `${formatDuration(ageMs)} old of ${formatDuration(lifetimeMs)} (${lifetimeFrom})`;
    lines.push(`stored     ${status}, ${bytes} bytes, ${times}: ${use}`, `           ${stored.key}`);
    if (stored.tags.length > 0) lines.push(`           tags ${stored.tags.join(", ")}`);
  }
  return lines.join("\n");
}
