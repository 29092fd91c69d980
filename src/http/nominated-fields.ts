import { membersOf, splitOutsideQuotes, trimmed } from "./field-syntax.js";
import { remembering } from "./memo.js";
import { type Fields, linesOf } from "./message.js";

/**
 * What requests must have in common to select the same response (RFC 9111 §4.1): a canonical text of the nominated fields. Two requests have the same
 * text only if each field is absent from both, or the same in both but for what changes no meaning: white space at the ends, and, in fields known
 * to be lists, white space within, empty members, lines that may be one, and a weight of 1. The order in `Accept-Encoding`
 * means nothing (RFC 9110 §12.5.3) and is made one; in the other lists somebody could take it for a preference.
 * @param names in lower case, sorted and unique, as `varyOf` gives them
 */
export function fieldsForVary(names: readonly string[], requestFields: Fields): string {
  let text = "";
  for (const name of names) {
    const lines = linesOf(requestFields, name);
    // The length makes it unambiguous, whatever a value holds; an absent field is not an empty one.
    if (lines.length === 0) text += `${name}-\n`;
    else {
      const value = canonicalValue(name, lines);
      text += `${name}=${value.length}:${value}\n`;
    }
  }
  return text;
}

function canonicalValue(name: string, lines: readonly string[]): string {
  const value = lines.length === 1 ? (lines[0] ?? "") : lines.map(trimmed).join(", ");
  return (LISTS.get(name) ?? trimmed)(value);
}

const FEW = { entries: 256, longest: 256 };

/** Fields that are known to be lists, each with its canonical text. */
const LISTS: ReadonlyMap<string, (value: string) => string> = new Map([
  ["accept-encoding", remembering((value) => inOneOrder(membersOf(value.toLowerCase()).map(weighted)).join(","), FEW)],
  ["accept-language", remembering((value) => membersOf(value.toLowerCase()).map(weighted).join(","), FEW)],
  ["accept-charset", remembering((value) => membersOf(value.toLowerCase()).map(weighted).join(","), FEW)],
  // Values of media type parameters can differ by case.
  ["accept", remembering((value) => membersOf(value).map(weighted).join(","), FEW)],
]);

/** A member without white space around its parameters, and with its weight (RFC 9110 §12.4.2) in the shortest way: 1 is what is meant without. */
function weighted(member: string): string {
  if (!member.includes(";")) return member;
  const [first = "", ...parameters] = splitOutsideQuotes(member, ";").map(trimmed);
  let text = first;
  for (const [i, parameter] of parameters.entries()) {
    const weight = /^[qQ]=([01](?:\.\d{0,3})?)$/.exec(parameter)?.[1];
    if (weight === undefined) text += `;${parameter}`;
    // Parameters after the weight are no longer those of the media type: where there are any, it marks the place.
    else if (Number(weight) !== 1 || i < parameters.length - 1) text += `;q=${Number(weight)}`;
  }
  return text;
}

/** Sorted and without repetitions, unless one coding is named with several weights: which of them counts, nobody says. */
function inOneOrder(members: readonly string[]): readonly string[] {
  const unique = [...new Set(members)];
  const codings = new Set(unique.map((member) => member.split(";", 1)[0]));
  return codings.size === unique.length ? unique.sort() : members;
}
