import type { ChalkInstance } from "chalk";
import { clip, widthOf } from "./text-width.js";

export type Tone = "bold" | "dim" | "green" | "yellow" | "red" | "cyan" | "inverse";

/** Text in one tone. Neither holds control sequences: colours come with {@link paint}. */
export interface Span {
  text: string;
  tone: Tone;
}

/** One line of a screen. */
export type Line = readonly (string | Span)[];

export interface Size {
  columns: number;
  rows: number;
}

export const toned = (tone: Tone, text: string): Span => ({ text, tone });

/** What a line says, without its tones. */
export function textOfLine(line: Line): string {
  return line.map((part) => (typeof part === "string" ? part : part.text)).join("");
}

/** Exactly as many lines as there are rows, each no wider than the screen, with the control sequences of their tones. */
export function paint(lines: readonly Line[], { columns, rows }: Size, style: ChalkInstance): string[] {
  return Array.from({ length: rows }, (_, row) => paintLine(lines[row] ?? [], columns, style));
}

function paintLine(line: Line, columns: number, style: ChalkInstance): string {
  let left = columns;
  let painted = "";
  for (const part of line) {
    const { text, tone } = typeof part === "string" ? { text: part, tone: undefined } : part;
    const cut = clip(text, left);
    left -= widthOf(cut);
    painted += tone === undefined || cut === "" ? cut : style[tone](cut);
    if (cut !== text) break;
  }
  return painted;
}
