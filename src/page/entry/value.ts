import type { Checked } from "../../api/checked.js";
import type { entryAnswer } from "../../api/listing.js";

export type Entry = Checked<typeof entryAnswer>;

/** What the bytes of a value can be shown as. */
export interface Value {
  /** As they are stored; of a long value the first. */
  stored: Uint8Array<ArrayBuffer>;
  /** The same as text, unless it is none: without a coding of its content. */
  text: string | undefined;
  /** There is more of the value than that. */
  isCut: boolean;
  /** `image/png` and the like, told by the bytes themselves. */
  image: string | undefined;
  /** What was done to read it, or why it can't be read. */
  note: string | undefined;
}

/** Bytes that are made of compressed ones at most: a few can stand for a great many. */
const MOST_DECODED = 1024 * 1024;

/** Reads what the server told of a value. */
export async function readValue(entry: Entry): Promise<Value> {
  const stored = entry.value === undefined ? bytesOfBase64(entry.data ?? "") : new TextEncoder().encode(entry.value);
  const isCut = entry.truncated === true;
  const plain = { stored, isCut, image: imageType(stored), note: undefined };
  const coding = codingOf(entry, stored);
  if (coding === undefined) return { ...plain, text: textOf(stored, isCut, charsetOf(entry)) };
  if (coding !== "gzip" && coding !== "deflate") {
    return { ...plain, text: undefined, note: `It is compressed (${coding}), which this page can't read.` };
  }
  const decoded = await decompressed(stored, coding);
  const isShort = isCut || decoded.isCut;
  const text = decoded.bytes && textOf(decoded.bytes, isShort, charsetOf(entry));
  if (text === undefined) return { ...plain, text, note: `It is said to be compressed (${coding}), and is no text.` };
  return {
    ...plain,
    text,
    isCut: isShort,
    note: `It is stored compressed (${coding}); its text is shown as it was before.`,
  };
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const units = atob(text);
  const bytes = new Uint8Array(units.length);
  for (let i = 0; i < units.length; i += 1) bytes[i] = units.charCodeAt(i);
  return bytes;
}

function fieldOf({ response }: Entry, name: string): string | undefined {
  return response?.fields.find(([known]) => known.toLowerCase() === name)?.[1];
}

/** How a stored response is compressed, by its fields; of others the bytes say it. */
function codingOf(entry: Entry, bytes: Uint8Array): string | undefined {
  const made = entry.response?.coding;
  const said = made !== undefined && made !== "as-is" ? made : fieldOf(entry, "content-encoding")?.trim().toLowerCase();
  if (said !== undefined && said !== "" && said !== "identity") return said === "x-gzip" ? "gzip" : said;
  return begins(bytes, [0x1f, 0x8b, 0x08]) ? "gzip" : undefined;
}

/** What can be had of it: of a part of a compressed value the beginning. */
async function decompressed(
  bytes: Uint8Array<ArrayBuffer>,
  coding: "gzip" | "deflate",
): Promise<{ bytes?: Uint8Array<ArrayBuffer>; isCut: boolean }> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(coding)).getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let isCut = false;
  try {
    while (length < MOST_DECODED) {
      const { done, value } = await reader.read();
      if (done) return { bytes: await joined(pieces), isCut };
      pieces.push(value);
      length += value.length;
    }
    isCut = true;
    await reader.cancel();
  } catch {
    // The value was cut, or is not what its fields say: what came before is shown.
    isCut = true;
  }
  return length > 0 ? { bytes: await joined(pieces), isCut } : { isCut };
}

async function joined(pieces: Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Blob(pieces).slice(0, MOST_DECODED).arrayBuffer());
}

/** What a response says its text is written in; UTF-8 where it says nothing that is known. */
function charsetOf(entry: Entry): string {
  const [, charset = "utf-8"] = /charset="?([^";\s]+)/i.exec(fieldOf(entry, "content-type") ?? "") ?? [];
  return charset;
}

/** Undefined for what is no text. @param isCut it may end within a character */
function textOf(bytes: Uint8Array<ArrayBuffer>, isCut: boolean, charset: string): string | undefined {
  for (const name of new Set(["utf-8", charset])) {
    try {
      return new TextDecoder(name, { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
    } catch {
      // It is not written in that, or nobody knows what that is.
    }
  }
  return undefined;
}

/** Images of points alone: an SVG is a program. */
function imageType(bytes: Uint8Array): string | undefined {
  const [, type] = IMAGES.find(([test]) => test(bytes)) ?? [];
  return type;
}

const IMAGES: readonly (readonly [test: (bytes: Uint8Array) => boolean, type: string])[] = [
  [(bytes) => begins(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), "image/png"],
  [(bytes) => begins(bytes, [0xff, 0xd8, 0xff]), "image/jpeg"],
  [(bytes) => asciiAt(bytes, 0, 4) === "GIF8", "image/gif"],
  [(bytes) => asciiAt(bytes, 0, 4) === "RIFF" && asciiAt(bytes, 8, 4) === "WEBP", "image/webp"],
  [(bytes) => asciiAt(bytes, 4, 8) === "ftypavif", "image/avif"],
  [
    (bytes) => asciiAt(bytes, 0, 2) === "BM" && bytes.length > 26 && begins(bytes.subarray(6), [0, 0, 0, 0]),
    "image/bmp",
  ],
  [(bytes) => begins(bytes, [0, 0, 1, 0]) && bytes.length > 22, "image/x-icon"],
];

function begins(bytes: Uint8Array, first: readonly number[]): boolean {
  return first.every((byte, i) => bytes[i] === byte);
}

function asciiAt(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
