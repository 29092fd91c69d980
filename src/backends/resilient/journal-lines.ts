import { crc32 } from "node:zlib";
import { checkSelector, type Selector } from "../../selector.js";
import type { Missed } from "./journal.js";

/** What a journal file says. */
export interface JournalText {
  changes: Missed[];
  /** More was to be noted down than there was room for. */
  overflowed: boolean;
  /** Lines that were written whole and are not what was written: what they said is lost. */
  damaged: number;
}

/** The line that stands for everything. */
export const EVERYTHING = lineOf({ all: true });

/**
 * A change as a line: its length in bytes and its CRC-32, both as 8 hexadecimal digits, then JSON. It begins with a line feed too, so that it can't be joined to one that
 * was cut short.
 */
export function lineOf(change: Missed | { all: true }): string {
  const json = JSON.stringify(change);
  return `\n${hex(Buffer.byteLength(json))} ${hex(crc32(json))} ${json}\n`;
}

/** A line that is shorter than it says was cut short by the end of its writer: nobody was told that it was noted down, and it is left out. */
export function readLines(bytes: Buffer): JournalText {
  const text: JournalText = { changes: [], overflowed: false, damaged: 0 };
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(0x0a, start);
    const end = feed < 0 ? bytes.length : feed;
    const line = bytes.subarray(start, end);
    start = end + 1;
    // After a power cut the end of a file can be zeros.
    if (line.length === 0 || line.every((byte) => byte === 0)) continue;
    readLine(line, feed < 0 || isRest(bytes, start), text);
  }
  return text;
}

const isRest = (bytes: Buffer, start: number) => bytes.subarray(start).every((byte) => byte === 0 || byte === 0x0a);

function readLine(line: Buffer, last: boolean, text: JournalText): void {
  const [, length = "", sum = ""] = /^([0-9a-f]{8}) ([0-9a-f]{8}) /.exec(line.subarray(0, 18).toString("latin1")) ?? [];
  const json = line.subarray(18);
  if (length === "" || json.length !== Number.parseInt(length, 16)) {
    const cut = length === "" ? line.length < 18 : json.length < Number.parseInt(length, 16);
    if (!cut && !last) text.damaged += 1;
    return;
  }
  const said = crc32(json) === Number.parseInt(sum, 16) ? parsed(json) : undefined;
  if (said === undefined) text.damaged += 1;
  else if ("all" in said) text.overflowed = true;
  else text.changes.push(said);
}

function parsed(json: Buffer): Missed | { all: true } | undefined {
  const value: unknown = JSON.parse(json.toString());
  if (typeof value !== "object" || value === null) return undefined;
  if ("all" in value) return { all: true };
  return isMissed(value) ? value : undefined;
}

/**
 * Its checksum says that it is what was written; another version of this program may have written something else. What no store takes would be tried for ever,
 * and the store never be trusted again.
 */
function isMissed(value: object): value is Missed {
  if (!("selector" in value)) return false;
  try {
    checkSelector(value.selector as Selector);
    return true;
  } catch {
    return false;
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
