import type { Answer, Candidate } from "./candidates.js";
import { quoteForBash } from "./quote.js";
import { parseBashPiece, type Word } from "./words.js";

/** What a pipe takes at once, so that the answer is out when the process ends. */
const LONGEST = 32_768;

/**
 * For bash, a line each: what it is to do besides (`files`, `folders`, `nospace`, or nothing), then the words that are to replace what readline takes for the word at the cursor, quoted.
 * @param word the whole word up to the cursor, as it is typed
 * @param part the end of it that readline would replace; it has its own idea of where words begin, such as after a `:`
 */
export function forBash({ keep, candidates, cut, names }: Answer, word: Word, typed: string, part: string): string {
  if (names) return `${names}\n`;
  const head = parseBashPiece(typed.slice(0, typed.length - part.length));
  const { quoting } = head;
  if (!typed.endsWith(part) || (quoting !== "none" && head.quoteAt !== typed.length - part.length - 1)) return "\n";
  const values = candidates.map(({ value }) => keep + value).filter((value) => value.startsWith(head.value));
  const rests = values.map((value) => value.slice(head.value.length));
  const quoted = rests.map((rest) => quoteForBash(rest, quoting, true));
  // What bash finds them to have in common, it puts in the place of what is typed: that must not end inside an escape, nor be more than is known.
  const common = cut ? word.value.slice(head.value.length) : commonStart(rests);
  const beginning = quoteForBash(common, quoting, false);
  if ((quoted.length > 1 || (cut && quoted.length > 0)) && commonStart(quoted) !== beginning)
    quoted.push(beginning === "" ? "''" : beginning);
  const open = candidates.length === 1 && candidates[0]?.open === true;
  return lines([open ? "nospace" : "", ...quoted]);
}

/** For zsh, each ended by a NUL: `files`, `folders`, `cut` or nothing; what stays in front; then for each word `open` or nothing, the word, and what it is about. zsh quotes. */
export function forZsh({ keep, candidates, cut, names }: Answer): string {
  const fields = (one: Candidate) => [one.open ? "open" : "", one.value, one.about ?? ""];
  const safe = candidates.filter(({ value }) => !value.includes("\0"));
  return fitting([names ?? (cut ? "cut" : ""), keep], safe.map(fields), "\0");
}

/** What fish's protocol has no place for, and what it would put onto the terminal as it is: C1 control characters, and what changes the direction of text. */
const UNTELLABLE = /[\t\n\r\0\u0080-\u009f\p{Cf}\p{Zl}\p{Zp}]/u;

/** For fish, a line each: `files`, `folders` or nothing; what stays in front; what is typed behind it, of a name; then the words, with a tab before what each is about. fish quotes. */
export function forFish({ keep, candidates, cut, names }: Answer, typed: string): string {
  const told = candidates.filter(({ value }) => !UNTELLABLE.test(keep + value));
  if (/[\n\r]/.test(keep + typed)) return "";
  const words = told.map(({ value, about }) => [about === undefined ? keep + value : `${keep}${value}\t${about}`]);
  // It puts into the line what all have in common: with this one among them that is no more than is there.
  if (cut && typed !== "" && words.length > 0) words.push([`${typed}\tand more`]);
  return fitting([names ?? "", keep, names ? typed.slice(keep.length) : ""], words, "\n");
}

function lines(all: readonly string[]): string {
  const [first = "", ...rest] = all;
  return fitting(
    [first],
    rest.map((line) => [line]),
    "\n",
  );
}

function fitting(head: readonly string[], records: readonly (readonly string[])[], end: string): string {
  let text = head.map((field) => field + end).join("");
  for (const fields of records) {
    const more = fields.map((field) => field + end).join("");
    if (text.length + more.length > LONGEST) break;
    text += more;
  }
  return text;
}

/** The longest text that all begin with, in whole characters. */
function commonStart([first = "", ...others]: readonly string[]): string {
  let length = first.length;
  for (const other of others) {
    let same = 0;
    while (same < length && first.charCodeAt(same) === other.charCodeAt(same)) same++;
    length = same;
  }
  const common = first.slice(0, length);
  return common.isWellFormed() ? common : common.slice(0, -1);
}
