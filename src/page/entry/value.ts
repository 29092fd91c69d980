import type { Checked } from "../../api/checked.js";
import type { entryAnswer } from "../../api/listing.js";
import { showKey } from "../text.js";

export type Entry = Checked<typeof entryAnswer>;

/** What the bytes of a value can be shown as. */
export interface Value {
  /** Of a long value the first. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The same as text, unless it is none. */
  text: string | undefined;
  /** There is more of the value than that. */
  isCut: boolean;
  /** `image/png` and the like, told by the bytes themselves. */
  image: string | undefined;
  /** How it is compressed. */
  note: string | undefined;
}

/** Reads what the server told of a value. */
export function readValue(entry: Entry): Value {
  const bytes = entry.value === undefined ? bytesOfBase64(entry.data ?? "") : new TextEncoder().encode(entry.value);
  const isCut = entry.truncated === true;
  const text = textOf(bytes, isCut, charsetOf(entry));
  return { bytes, text, isCut, image: imageType(bytes), note: noteOf(entry) };
}

function noteOf(entry: Entry): string | undefined {
  if (entry.decoded !== undefined) return `It is stored compressed (${entry.decoded}), and shown as it was before.`;
  const said = fieldOf(entry, "content-encoding")?.trim();
  if (!said || said.toLowerCase() === "identity") return undefined;
  return `It is said to be compressed (${showKey(said)}), and shown as it is stored.`;
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
