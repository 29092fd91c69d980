import { isTag } from "../key.js";
import { textOf } from "../utf8.js";
import { type Fields, linesOf } from "./message.js";

/** The fields that an origin names the tags of a response in, in lower case: with nobody left to purge by them, they need not be sent on. */
export const TAG_FIELDS: ReadonlySet<string> = new Set(["surrogate-key", "cache-tag", "xkey"]);

/** Tags of one response at most. */
const MAX_TAGS = 512;

/** `Surrogate-Key` and `xkey` part tags by white space, `Cache-Tag` by commas. */
const SEPARATORS: Readonly<Record<string, RegExp>> = { "surrogate-key": /[ \t]+/, "cache-tag": /,/, xkey: /[ \t]+/ };

/**
 * The tags that an origin gives a response, each once.
 * @returns with them, how many could not be kept: what no entry can carry as a tag, and what is beyond the 512th
 */
export function surrogateTags(fields: Fields): { tags: string[]; dropped: number } {
  const tags = new Set<string>();
  let dropped = 0;
  for (const [name, separator] of Object.entries(SEPARATORS)) {
    for (const line of linesOf(fields, name)) {
      for (const part of asText(line).split(separator)) {
        const tag = part.trim();
        if (tag === "" || tags.has(tag)) continue;
        if (tags.size < MAX_TAGS && isTag(tag)) tags.add(tag);
        else dropped += 1;
      }
    }
  }
  return { tags: [...tags], dropped };
}

/** Node reads fields as Latin-1. A purge names a tag in UTF-8: so bytes that are UTF-8 are taken for it. */
function asText(value: string): string {
  if (!/[\x80-\xff]/.test(value) || /[^\x00-\xff]/.test(value)) return value;
  return textOf(Buffer.from(value, "latin1")) ?? value;
}
