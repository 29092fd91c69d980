import type { countAnswer, countBody, purgeBody } from "../../api/admin.js";
import type { Checked } from "../../api/checked.js";
import type { entryCalls } from "../../api/entries.js";
import { ApiError, call, callForLines } from "../api.js";
import { type Conditions, filterOf, isUnconditional } from "../browse/conditions.js";
import { tagsFromText } from "../browse/tags.js";
import { showKey } from "../text.js";

/** What is to go, as it is typed. */
export interface Typed extends Conditions {
  what: What;
  /** HTTP responses by these; one a line. */
  urls: string;
  by: By;
}

export const WHATS = ["entries", "http", "expired", "all"] as const;
export type What = (typeof WHATS)[number];
export const BYS = ["urls", "prefix", "match", "tags"] as const;
export type By = (typeof BYS)[number];

type Count = Checked<typeof countBody>;
export type Counted = Checked<typeof countAnswer>;

/** As the API takes it; undefined where nothing says what is meant. */
export function asked(typed: Typed): Count | undefined {
  const { what, by, urls, prefix, match, tags, tagMode } = typed;
  if (what === "all") return { selector: { all: true } };
  if (what === "expired") return { selector: { expiry: "expired" } };
  if (what === "entries") return isUnconditional(typed) ? undefined : { selector: filterOf(typed) };
  const lines = urls.split("\n").map((line) => line.trim());
  const named = lines.filter((line) => line !== "");
  const several = tagsFromText(tags);
  if (by === "urls") return named.length > 0 ? { purge: { urls: named } } : undefined;
  if (by === "prefix") return prefix === "" ? undefined : { purge: { prefix } };
  if (by === "match") return match === "" ? undefined : { purge: { match } };
  if (several.length === 0) return undefined;
  return { purge: { tags: several, ...(tagMode === "all" && { tagMode }) } };
}

/** What is meant, for who is asked about it. */
export function nameOf({ what, by, urls, prefix, match, tags, tagMode }: Typed): string {
  if (what === "all") return "everything";
  if (what === "expired") return "what has expired";
  const holds = (one: By) => what === "entries" || by === one;
  const named = tagsFromText(tags).map(showKey);
  const conditions = [
    ...(what === "http" && by === "urls" ? [`of ${showKey(urls.trim())}`] : []),
    ...(holds("prefix") && prefix !== "" ? [`that begin with ${showKey(prefix)}`] : []),
    ...(holds("match") && match !== "" ? [`that match ${showKey(match)}`] : []),
    ...(holds("tags") && named.length > 0 ? [`with the tag ${named.join(tagMode === "all" ? " and " : " or ")}`] : []),
  ];
  return `${what === "http" ? "responses" : "entries"} ${conditions.join(" and ")}`;
}

/** How many that is, and some of them. @throws ApiError */
export function countOf(what: Count, signal: AbortSignal): Promise<Counted> {
  return call<Counted>("POST", "/cache/count", { body: what, signal });
}

export interface Report {
  deleted: number;
  softened: number;
  complete: boolean;
  /** The store is away: it is noted down. */
  pending?: true;
}

type Line = { done: number } | { report: Report; pending?: true };

/**
 * Makes it go.
 * @param onDone is told how many went so far
 * @throws ApiError
 */
export async function invalidate(
  what: Count,
  soft: boolean,
  signal: AbortSignal,
  onDone: (done: number) => void,
): Promise<Report> {
  if ("purge" in what) {
    const body: Checked<typeof purgeBody> = { ...what.purge, ...(soft && { soft }) };
    return call<Report>("POST", "/cache/purge", { body, signal });
  }
  const body: Checked<typeof entryCalls.invalidate.asks> = { selector: what.selector, ...(soft && { soft }) };
  for await (const line of callForLines<Line>("POST", "/v1/entries/invalidate", { body, signal })) {
    if ("done" in line) onDone(line.done);
    else if ("report" in line) return { ...line.report, ...(line.pending && { pending: line.pending }) };
  }
  throw new ApiError(0, "cut-short", "the server did not say what became of it");
}
