/** A validator (RFC 9110 §8.8.3). */
export interface EntityTag {
  weak: boolean;
  /** With its quotes. */
  opaque: string;
}

/** RFC 9110 §8.8.3: `W/` is case-sensitive; within the quotes is anything but controls, spaces and quotes. A backslash is one. */
const ENTITY_TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\uffff]*")$/;

/** @returns undefined for what is none */
export function entityTagOf(text: string | undefined): EntityTag | undefined {
  const [, weak, opaque] = (text === undefined ? null : ENTITY_TAG.exec(text)) ?? [];
  return opaque === undefined ? undefined : { weak: weak !== undefined, opaque };
}

/** RFC 9110 §8.8.3.2. */
export function strongMatch(a: EntityTag, b: EntityTag | undefined): boolean {
  return b !== undefined && !a.weak && !b.weak && a.opaque === b.opaque;
}

/**
 * Whether a list of entity tags (RFC 9110 §13.1.2) names this one, by weak comparison (§8.8.3.2). Members that are none match nothing; one
 * with quotes ends the list, since nobody knows where it does.
 */
export function listNames(list: string, tag: EntityTag): boolean {
  // One pass: a member ends where its quotes do, and a comma may be within them.
  const members = /(?:W\/)?("[\x21\x23-\x7e\x80-\uffff]*")[ \t]*(?:,|$)|[^",]*(?:,|$)/y;
  for (let at = 0; at < list.length; at = members.lastIndex) {
    while (list[at] === " " || list[at] === "\t") at += 1;
    members.lastIndex = at;
    const found = members.exec(list);
    if (found?.[1] === tag.opaque) return true;
    if (found === null) return false;
  }
  return false;
}
