import type { Answer, Directive } from "./scenario.js";

/**
 * What RFC 9111 and RFC 5861 allow a shared cache, worked out from what the origin meant, not from what it wrote: nothing here reads a field, or is from the program. Times are
 * epoch milliseconds.
 */

/** A stored response as its fields are, after the updates that it had. */
export interface State {
  /** Of the answer that its fields are from: `X-Id`. */
  id: number;
  answer: Answer;
  status: number;
  receivedAt: number;
  /** Milliseconds since the origin made it, when it was received. */
  initialAge: number;
}

/** A response with content that the origin gave, and all that it can be by now. */
export interface Content {
  id: number;
  url: string;
  /** Of the request that it answered. */
  request: Asked;
  states: State[];
  /** A change at the origin has made it unusable. */
  gone: boolean;
}

export interface Asked {
  method: string;
  fields: Readonly<Record<string, string>>;
  control: readonly Directive[];
}

const UNDERSTOOD = [200, 204, 301, 302, 404, 410, 500, 503];
const BY_DEFAULT = [200, 204, 301, 404, 410];

const named = (list: readonly Directive[], name: string) => list.filter((one) => one.name === name);
const has = (list: readonly Directive[], name: string) =>
  list.some((one) => one.name === name && one.field === undefined);

/** Seconds of the first of its name; what is malformed allows nothing. */
function secondsOf(list: readonly Directive[], name: string): number | undefined {
  const [first] = named(list, name);
  return first && (typeof first.argument === "number" ? first.argument : 0);
}

/** The directives that are for this cache (RFC 9213 §2.2). */
function policyOf({ targeted, control }: Answer): { list: readonly Directive[]; isTargeted: boolean } {
  const isTargeted = targeted !== undefined && targeted.length > 0;
  return { list: isTargeted ? lastOfEachName(targeted) : control, isTargeted };
}

/** In a dictionary the last of a name counts (RFC 8941 §3.2). */
function lastOfEachName(list: readonly Directive[]): readonly Directive[] {
  return list.filter(({ name }, i) => !list.slice(i + 1).some((later) => later.name === name));
}

/** RFC 9111 §4.2.3. */
export function initialAgeOf({ age = 0, date }: Answer, receivedAt: number): number {
  const second = Math.floor(receivedAt / 1000) * 1000;
  const apparent = Math.max(0, -date * 1000);
  return Math.max(apparent, age * 1000, second - receivedAt);
}

export const ageOf = ({ initialAge, receivedAt }: State, now: number) => initialAge + (now - receivedAt);

/** RFC 9111 §4.2.1, §4.2.2: milliseconds, and whether the origin said it. */
function lifetimeOf({ answer, status }: State): { ms: number; explicit: boolean } {
  const { list, isTargeted } = policyOf(answer);
  const said = secondsOf(list, "s-maxage") ?? secondsOf(list, "max-age");
  if (said !== undefined) return { ms: said * 1000, explicit: true };
  if (!isTargeted && answer.expires !== undefined) {
    const ms = answer.expires === "malformed" ? 0 : Math.max(0, answer.expires - answer.date) * 1000;
    return { ms, explicit: true };
  }
  const guess = answer.modified !== undefined && (BY_DEFAULT.includes(status) || has(list, "public"));
  return { ms: guess ? Math.max(0, answer.date - (answer.modified ?? 0)) * 100 : 0, explicit: false };
}

/** RFC 9111 §3. */
function whyNotStored(state: State, request: Asked): string | undefined {
  const { list } = policyOf(state.answer);
  if (request.method !== "GET") return "method";
  if (has(request.control, "no-store")) return "no-store of the request";
  const understands = has(list, "must-understand");
  if (understands && !UNDERSTOOD.includes(state.status)) return "must-understand";
  if (has(list, "no-store") && !understands) return "no-store";
  if (has(list, "private")) return "private";
  const forUsers = has(list, "public") || has(list, "must-revalidate") || named(list, "s-maxage").length > 0;
  if (request.fields.authorization !== undefined && !forUsers) return "Authorization";
  if (!lifetimeOf(state).explicit && !has(list, "public") && !BY_DEFAULT.includes(state.status)) return "status";
  return undefined;
}

/** RFC 9111 §4.1. */
function variesFrom({ answer }: State, stored: Asked, request: Asked): boolean {
  if (answer.vary === undefined) return false;
  if (answer.vary === "*") return true;
  return answer.vary.split(", ").some((name) => {
    const field = name.toLowerCase();
    return stored.fields[field] !== request.fields[field];
  });
}

/** Why it can't be chosen for a request at all, however fresh it is (RFC 9111 §4). */
export function whyNotChosen(content: Content, state: State, request: Asked): string | undefined {
  if (content.gone) return "invalidated";
  if (request.method !== "GET" && request.method !== "HEAD") return "method";
  if (variesFrom(state, content.request, request)) return "Vary";
  return whyNotStored(state, content.request);
}

function mustBeFresh(state: State): boolean {
  const { list } = policyOf(state.answer);
  return has(list, "must-revalidate") || has(list, "proxy-revalidate") || named(list, "s-maxage").length > 0;
}

/** Why it must not be sent without asking the origin (RFC 9111 §4, §4.2.4, §5.2.1, RFC 5861 §3). */
export function whyNotReused(content: Content, state: State, request: Asked, now: number): string | undefined {
  const unfit = whyNotChosen(content, state, request);
  if (unfit !== undefined) return unfit;
  const { list } = policyOf(state.answer);
  if (has(list, "no-cache")) return "no-cache";
  const { control } = request;
  if (has(control, "no-cache")) return "no-cache of the request";
  const age = ageOf(state, now);
  const left = lifetimeOf(state).ms - age;
  const wanted = secondsOf(control, "max-age");
  if (wanted !== undefined && age > wanted * 1000) return "max-age of the request";
  if (left < (secondsOf(control, "min-fresh") ?? Number.NEGATIVE_INFINITY) * 1000) return "min-fresh of the request";
  if (left > 0) return undefined;
  if (mustBeFresh(state)) return "stale, and must not be";
  const tolerated = named(control, "max-stale").map(({ argument }) =>
    typeof argument === "number" ? argument : Infinity,
  );
  if (tolerated.length > 0)
    return -left <= Math.min(...tolerated) * 1000 ? undefined : "staler than the request allows";
  if (wanted !== undefined) return "stale, with max-age in the request";
  const [during] = named(list, "stale-while-revalidate");
  const window = typeof during?.argument === "number" ? during.argument * 1000 : 0;
  return window > 0 && -left <= window ? undefined : "stale";
}

/** Why it must not stand in for an answer that the origin did not give (RFC 9111 §4.2.4, RFC 5861 §4). */
export function whyNotOnError(
  content: Content,
  state: State,
  request: Asked,
  now: number,
  error: "cut" | "status",
): string | undefined {
  const unfit = whyNotChosen(content, state, request);
  if (unfit !== undefined) return unfit;
  const { list } = policyOf(state.answer);
  if (has(list, "no-cache")) return "no-cache";
  const staleness = ageOf(state, now) - lifetimeOf(state).ms;
  if (staleness < 0) return undefined;
  if (mustBeFresh(state)) return "stale, and must not be";
  if (error === "cut") return undefined;
  const allowed = [secondsOf(list, "stale-if-error"), secondsOf(request.control, "stale-if-error")];
  for (const { argument } of named(request.control, "max-stale")) {
    allowed.push(typeof argument === "number" ? argument : Infinity);
  }
  return allowed.some((one) => one !== undefined && one > 0 && staleness <= one * 1000)
    ? undefined
    : "an error, and stale";
}

/** Why a 304 does not say that it is good (RFC 9111 §4.3.4). @param asked the entity tags that the origin was asked about */
export function whyNotValidated(state: State, update: Answer, asked: string): string | undefined {
  const { tag } = state.answer;
  if (tag === undefined || !asked.includes(tag.replace("W/", ""))) return "was not asked about";
  if (update.tag === undefined) return undefined;
  const weak = update.tag.startsWith("W/");
  if (!weak && update.tag !== tag) return "another strong validator";
  return update.tag.replace("W/", "") === tag.replace("W/", "") ? undefined : "another weak validator";
}

/** With the fields of an update in the place of its own (RFC 9111 §3.2). */
export function updated(state: State, id: number, update: Answer, receivedAt: number): State {
  const answer: Answer = {
    ...state.answer,
    control: update.control.length > 0 ? update.control : state.answer.control,
    targeted: update.targeted ?? state.answer.targeted,
    expires: update.expires ?? state.answer.expires,
    // Both are relative to the time of the answer that said them.
    ...(update.expires === undefined && moved(state, receivedAt)),
    modified: update.modified ?? movedBy(state.answer.modified, state, receivedAt),
    vary: update.vary ?? state.answer.vary,
    tag: update.tag ?? state.answer.tag,
    age: update.age,
    date: update.date,
  };
  return { id, answer, status: state.status, receivedAt, initialAge: initialAgeOf(answer, receivedAt) };
}

function moved(state: State, now: number): { expires: Answer["expires"] } {
  const { expires } = state.answer;
  return { expires: typeof expires === "number" ? movedBy(expires, state, now) : expires };
}

/** The same time, relative to a later one. */
function movedBy(seconds: number | undefined, state: State, now: number): number | undefined {
  return seconds === undefined ? undefined : seconds - (now - state.receivedAt) / 1000;
}

/** Whether a field that is sent may come from the store: one that `private` or `no-cache` names may not (RFC 9111 §5.2.2.4, §5.2.2.7). */
export function mayShow(state: State, field: string): boolean {
  return !policyOf(state.answer).list.some((one) => one.field === field);
}
