/**
 * Columns that text takes on a terminal, the way terminals count (POSIX wcwidth): combining marks take none, what Unicode calls wide or fullwidth takes two
 * (UAX #11, East Asian Width), and so do emoji. Text must hold no control characters: see `showKey`.
 */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += columnsOf(char);
  return width;
}

/**
 * Text cut to the columns there are, with an ellipsis where something is missing.
 * @param columns 0 and less give nothing
 */
export function clip(text: string, columns: number): string {
  if (columns <= 0) return "";
  if (widthOf(text) <= columns) return text;
  let [kept, width] = ["", 0];
  for (const char of text) {
    width += columnsOf(char);
    if (width > columns - 1) break;
    kept += char;
  }
  return `${kept}…`;
}

/**
 * Text in pieces that each take no more than the columns there are.
 * @param most pieces
 */
export function wrap(text: string, columns: number, most: number): string[] {
  const pieces: string[] = [];
  let [piece, width] = ["", 0];
  for (const char of text) {
    const more = columnsOf(char);
    if (width + more > columns && piece !== "") {
      pieces.push(piece);
      if (pieces.length >= most) return pieces;
      [piece, width] = ["", 0];
    }
    piece += char;
    width += more;
  }
  return [...pieces, piece];
}

/** Text in exactly so many columns: cut, or with spaces behind it. */
export function pad(text: string, columns: number): string {
  const cut = clip(text, columns);
  return cut + " ".repeat(Math.max(0, columns - widthOf(cut)));
}

/** The same with the spaces before it. */
export function padStart(text: string, columns: number): string {
  const cut = clip(text, columns);
  return " ".repeat(Math.max(0, columns - widthOf(cut))) + cut;
}

const ASCII = /^[\x20-\x7e]*$/;

/** Marks that stand on the letter before them, and what is not seen at all. */
const NO_COLUMN = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

const EMOJI = /^\p{Emoji_Presentation}$/u;

/** First and last code points of the wide blocks: Hangul, kana, CJK, Yi, fullwidth forms. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];

function columnsOf(char: string): 0 | 1 | 2 {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (NO_COLUMN.test(char)) return 0;
  return EMOJI.test(char) || WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
