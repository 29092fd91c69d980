import { checkSelector, compileFilter, type Filter, filterOf, type Selector } from "../../selector.js";
import type { ScanOptions, ScanPage } from "../backend.js";
import { factsOf, type Known, typesOf } from "./facts.js";
import { isExactMatch } from "./match.js";
import { digestOf } from "./sidecar.js";
import {
  badCursor,
  type Candidate,
  SCAN_COUNT,
  SOURCE_CURSOR,
  type Source,
  type SourcePage,
  sourceOf,
} from "./source.js";
import { checkSignal, type Store } from "./store.js";

/** The types that a selector names, undefined = all. */
export function typesIn(selector: Selector): readonly string[] | undefined {
  if (selector.types === undefined || selector.types.includes("any")) return undefined;
  return [...new Set(selector.types)];
}

/**
 * A cursor is where a step of the source begins, or `at~next~place` within one. The entries of a step that a limit can split are listed in the
 * order of their digests, so that what others write and delete meanwhile moves none of them across the place. The step is read again up to the same
 * end; where the server can't (its table has shrunk), it is listed again as a whole.
 */
interface Cursor {
  at: string;
  next: string;
  place: string;
}

/** Lists what the selector holds; see {@link ScanOptions}. */
export async function* scan(store: Store, selector: Selector, options: ScanOptions): AsyncGenerator<ScanPage> {
  store.connection.checkOpen();
  checkSelector(selector);
  if (!("keys" in selector) && filterOf(selector).expiry === "expired") {
    // What has expired is gone for every client, also where the server still holds its memory.
    yield { entries: [] };
    return;
  }
  const source = sourceOf(store, selector, typesIn(selector));
  const inspect = inspector(store, selector, source.kind, options.fields === "all");
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let cursor = parseCursor(options.cursor ?? source.start);
  while (left > 0) {
    checkSignal(options.signal);
    const page = cursor.place === "" ? await source.read(cursor.at) : await readAgain(source, cursor);
    options.onStep?.();
    const ordered = inOrder(page, cursor, Number.isFinite(left));
    const found = await inspect(
      ordered.map(([candidate]) => candidate),
      page.seenTags,
    );
    const taken = found.slice(0, left);
    left -= taken.length;
    const out: ScanPage = { entries: taken.map(({ info }) => info) };
    const last = taken.at(-1);
    if (found.length > taken.length && last) {
      out.cursor = `${page.at}~${page.next ?? ""}~${placeOf(last.candidate)}`;
    } else if (page.next !== undefined) out.cursor = page.next;
    if (out.entries.length > 0 || out.cursor === undefined || left === 0) yield out;
    if (page.next === undefined || left <= 0) return;
    cursor = { at: page.next, next: "", place: "" };
  }
}

/** The step of a cursor within one. The server ends its steps by how many keys it met, so they can be shorter or longer by now. */
async function readAgain(source: Source, cursor: Cursor): Promise<SourcePage> {
  const end = source.position(cursor.next === "" ? undefined : cursor.next);
  const candidates: Candidate[] = [];
  for (let at = cursor.at; ; ) {
    let page = await source.read(at);
    for (let count = SCAN_COUNT >> 2; count > 0 && source.position(page.next) > end; count >>= 2) {
      page = await source.read(at, count);
    }
    candidates.push(...page.candidates);
    if (page.next === undefined || source.position(page.next) >= end) return { ...page, at: cursor.at, candidates };
    at = page.next;
  }
}

function inOrder(page: SourcePage, cursor: Cursor, canSplit: boolean): [Candidate, string][] {
  if (!canSplit && cursor.place === "") return page.candidates.map((candidate) => [candidate, ""]);
  const placed = page.candidates.map((candidate): [Candidate, string] => [candidate, placeOf(candidate)]);
  placed.sort(([, a], [, b]) => (a < b ? -1 : a > b ? 1 : 0));
  const same = cursor.place !== "" && cursor.next === (page.next ?? "");
  return same ? placed.filter(([, place]) => place > cursor.place) : placed;
}

const placeOf = ({ full }: Candidate) => digestOf(full).slice(0, 20);

function parseCursor(text: string): Cursor {
  const [, at = "", next = "", place = ""] = /^([^~]+)(?:~([^~]*)~([0-9a-f]{20}))?$/.exec(text) ?? badCursor(text);
  if (![at, next].every((part) => part === "" || SOURCE_CURSOR.test(part))) badCursor(text);
  return { at, next, place };
}

/** Which of some candidates the selector holds, with as much about them as it or the caller needs. */
export type Inspect = (candidates: readonly Candidate[], seenTags: readonly string[]) => Promise<Known[]>;

/**
 * @param kind what the candidates come from: a list names keys that may not exist
 * @param all everything about them is wanted
 * @param types the types that count, default those of the selector
 */
export function inspector(
  store: Store,
  selector: Selector,
  kind: Source["kind"],
  all: boolean,
  types = typesIn(selector),
): Inspect {
  const filter: Filter = "keys" in selector ? {} : filterOf(selector);
  const holds = compileFilter(filter, () => store.clock.now());
  const facts = all || filter.minSize !== undefined || filter.expiry !== undefined || filter.tags !== undefined;
  // A SCAN filters by one type itself.
  const byType = types !== undefined && types.length !== 1;
  const exact = "keys" in selector || isExactMatch(filter);
  const fits = ({ candidate, type, info, id }: Known, seenTags: readonly string[]) =>
    (types === undefined || types.includes(type)) &&
    (candidate.id === undefined || candidate.id === id) &&
    !seenTags.some((tag) => info.tags?.includes(tag)) &&
    holds({ ...info, key: candidate.key });
  const byName = compileFilter(
    {
      ...(filter.prefix !== undefined && { prefix: filter.prefix }),
      ...(filter.match !== undefined && { match: filter.match }),
    },
    () => 0,
  );
  return async (candidates, seenTags) => {
    const named = exact && !filter.tags ? candidates : candidates.filter(({ key }) => byName({ key }));
    if (facts) return (await factsOf(store, named)).filter((known) => fits(known, seenTags));
    if (kind === "keys" || byType) return (await typesOf(store, named)).filter((known) => fits(known, seenTags));
    return named.map((candidate) => ({ candidate, type: types?.[0] ?? "", info: { key: candidate.key } }));
  };
}
