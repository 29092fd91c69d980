import type { Quoting } from "./words.js";

/** What a terminal does not show, or obeys: control and format characters, and separators of lines. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** What means nothing to bash wherever it stands in a word but at its beginning, where `~` and `#` do and are escaped. */
const PLAIN = /[\w./:@%+=,\-\u00a0-\u{10ffff}]/u;

/**
 * Text for bash to read as exactly this value, to go on from an open quote or from none (bash's manual, "Quoting"). What would change the terminal that shows it stands as
 * an escape.
 * @param ended the quotes are closed too; else more of the value can follow
 */
export function quoteForBash(value: string, quoting: Quoting, ended: boolean): string {
  const inside = Array.from(value, (char) => quoteChar(char, quoting)).join("");
  if (quoting === "none") return inside;
  const quote = quoting === "double" ? '"' : "'";
  return `${quote}${inside}${ended ? quote : ""}`;
}

function quoteChar(char: string, quoting: Quoting): string {
  const hidden = HIDDEN.test(char);
  switch (quoting) {
    case "none":
      if (hidden) return `$'${escapeBytes(char)}'`;
      return PLAIN.test(char) ? char : `\\${char}`;
    case "single":
      if (hidden) return `'$'${escapeBytes(char)}''`;
      return char === "'" ? "'\\''" : char;
    case "double":
      if (hidden) return `"$'${escapeBytes(char)}'"`;
      // A backslash before it would stay there.
      if (char === "!") return `"'!'"`;
      return /[$`"\\]/.test(char) ? `\\${char}` : char;
    case "ansi":
      if (hidden) return escapeBytes(char);
      // History is expanded in there.
      if (char === "!") return "\\041";
      return char === "'" || char === "\\" ? `\\${char}` : char;
  }
}

/** Bytes in octal, which mean the same in every locale. */
function escapeBytes(char: string): string {
  return Array.from(Buffer.from(char), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
