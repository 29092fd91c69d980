import { type EntityTag, entityTagOf } from "./entity-tag.js";
import { parseHttpDate } from "./http-date.js";
import { type Fields, linesOf, type ResponseHead, withoutFields } from "./message.js";

/**
 * The conditions that a stored response is validated with (RFC 9111 §4.3.1): both where it has both, since who knows entity tags ignores the date (RFC 9110 §13.1.3). A
 * malformed validator is not sent: `*` or a list would hold for what is not the stored response. Empty where nothing can be validated.
 */
export function validationFields(storedFields: Fields): string[] {
  const { tag, modified } = validatorsOf(storedFields);
  return [
    ...(tag === undefined ? [] : ["If-None-Match", `${tag.weak ? "W/" : ""}${tag.opaque}`]),
    ...(modified === undefined ? [] : ["If-Modified-Since", modified.text]),
  ];
}

/** Whether the origin can be asked if a response is still good. */
export function hasValidator(fields: Fields): boolean {
  const { tag, modified } = validatorsOf(fields);
  return tag !== undefined || modified !== undefined;
}

interface Validators {
  tag: EntityTag | undefined;
  modified: { text: string; time: number } | undefined;
}

/** Those that are well-formed and alone: of two, nobody knows which one is meant. */
function validatorsOf(fields: Fields): Validators {
  const tags = linesOf(fields, "etag");
  const dates = linesOf(fields, "last-modified");
  const [text = ""] = dates;
  // Years of two digits are read alike wherever two dates are compared, so that it doesn't matter how.
  const time = dates.length === 1 ? parseHttpDate(text, 0) : undefined;
  return {
    tag: tags.length === 1 ? entityTagOf(tags[0]) : undefined,
    modified: time === undefined ? undefined : { text, time },
  };
}

/**
 * Whether a 304 is about this stored response, which the request was conditional on (RFC 9111 §4.3.4). A strong validator has to be its own. Of weak ones each has to correspond to its
 * own. Without any it is about what was asked: RFC 9110 §15.4.5 has no `Last-Modified` in a 304 where it is not needed, so that "also lacks a validator" can't be meant of
 * a request that named one stored response.
 */
export function isFreshenedBy(storedFields: Fields, responseFields: Fields): boolean {
  const stored = validatorsOf(storedFields);
  const { tag, modified } = validatorsOf(responseFields);
  if (tag) {
    const isSame = tag.opaque === stored.tag?.opaque;
    // RFC 9110 §8.8.3.2: strong comparison for a strong one.
    if (!tag.weak || !isSame) return isSame && stored.tag?.weak === false;
  }
  const said = linesOf(responseFields, "etag");
  // One that is none can at least be the same.
  if (!tag && said.length > 0 && said.join() !== linesOf(storedFields, "etag").join()) return false;
  // A date beside an entity tag that matches is no stronger than that.
  if (modified && (!tag || stored.modified)) return modified.time === stored.modified?.time;
  return true;
}

/**
 * Never taken over from an update (RFC 9111 §3.2): the length, always; and what the stored bytes depend on or were processed by, since an update has none: their
 * coding, and their place in a whole. `Content-Type` is not among them ("the Content- prefix is not a signal").
 */
const NEVER_UPDATED: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-range",
  "transfer-encoding",
]);

/** The stored fields with those of a 304 or of a HEAD in their place (RFC 9111 §3.2, §4.3.4, §4.3.5). @param update end-to-end fields */
export function freshenedFields(storedFields: Fields, update: Fields): string[] {
  const kept = withoutFields(update, NEVER_UPDATED);
  // What the stored response was told of its age is no longer true (§4.2.3), and where the update has no Date, it is dated by its receipt (RFC 9110 §6.6.1).
  const names = new Set<string>(["age", "date"]);
  for (let i = 0; i + 1 < kept.length; i += 2) names.add((kept[i] ?? "").toLowerCase());
  return [...withoutFields(storedFields, names), ...kept];
}

/**
 * What a response to HEAD says of a stored response to GET (RFC 9111 §4.3.5): one with the same validators, as far as it has any, and the same length, if it says one, updates the
 * stored response; any other 200 tells that it is outdated. The origin may take other statuses back.
 * @param stored its fields, and the bytes of its body
 */
export function headUpdates(
  stored: { fields: Fields; size: number },
  head: ResponseHead,
): "update" | "invalidate" | "ignore" {
  if (head.status !== 200) return "ignore";
  const then = validatorsOf(stored.fields);
  const now = validatorsOf(head.fields);
  const isTagged = linesOf(head.fields, "etag").length > 0;
  if (isTagged && (!now.tag || now.tag.opaque !== then.tag?.opaque || now.tag.weak !== then.tag.weak)) {
    return "invalidate";
  }
  const isDated = linesOf(head.fields, "last-modified").length > 0;
  if (isDated && (!now.modified || now.modified.time !== then.modified?.time)) return "invalidate";
  const lengths = linesOf(head.fields, "content-length");
  return lengths.every((length) => length === `${stored.size}`) ? "update" : "invalidate";
}
