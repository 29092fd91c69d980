import { entityTagOf, strongMatch } from "./entity-tag.js";
import { type Fields, linesOf, type ResponseHead, withoutFields } from "./message.js";

/** The conditions that a stored response is validated with (RFC 9111 §4.3.1): both where it has both, since who knows entity tags ignores the date (RFC 9110 §13.1.3). */
export function validationFields(storedFields: Fields): string[] {
  const [tag] = linesOf(storedFields, "etag");
  const [modified] = linesOf(storedFields, "last-modified");
  return [
    ...(tag === undefined ? [] : ["If-None-Match", tag]),
    ...(modified === undefined ? [] : ["If-Modified-Since", modified]),
  ];
}

/** Whether a 304 is about this stored response (RFC 9111 §4.3.4). */
export function isFreshenedBy(storedFields: Fields, responseFields: Fields): boolean {
  const [newTag] = linesOf(responseFields, "etag");
  const [newDate] = linesOf(responseFields, "last-modified");
  const [tag] = linesOf(storedFields, "etag");
  const [modified] = linesOf(storedFields, "last-modified");
  const strong = entityTagOf(newTag);
  // A strong validator selects the responses that have it; a weak one, and a date, the newest that matches: there is one.
  if (strong && !strong.weak) return strongMatch(strong, entityTagOf(tag));
  if (newTag !== undefined) return tag !== undefined && bare(newTag) === bare(tag);
  if (newDate !== undefined) return newDate === modified;
  // Without any, it is about the one response whose validators were sent.
  return true;
}

function bare(tag: string): string {
  return tag.replace(/^W\//, "");
}

/** RFC 9111 §3.2: never taken over from an update; what the body is framed and coded by belongs to the stored body, of which the update has none. */
const NEVER_UPDATED: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "transfer-encoding",
]);

/** The stored fields with those of a 304 or of a HEAD in their place (RFC 9111 §3.2, §4.3.4). @param update end-to-end fields */
export function freshenedFields(storedFields: Fields, update: Fields): string[] {
  const kept = withoutFields(update, NEVER_UPDATED);
  const names = new Set<string>();
  for (let i = 0; i + 1 < kept.length; i += 2) names.add((kept[i] ?? "").toLowerCase());
  // What it was told before about its age is no longer true (§4.2.3).
  names.add("age");
  return [...withoutFields(storedFields, names), ...kept];
}

/**
 * What a response to HEAD says of a stored response to GET (RFC 9111 §4.3.5): it may be updated where nothing tells that it is another one by now.
 * @param size bytes of the stored body
 */
export function headUpdate(storedFields: Fields, size: number, head: ResponseHead): "update" | "invalidate" | "ignore" {
  if (head.status !== 200) return "ignore";
  for (const name of ["etag", "last-modified"]) {
    const [now] = linesOf(head.fields, name);
    const [then] = linesOf(storedFields, name);
    if (now !== undefined && now !== then) return "invalidate";
  }
  const [length] = linesOf(head.fields, "content-length");
  return length !== undefined && length !== `${size}` ? "invalidate" : "update";
}
