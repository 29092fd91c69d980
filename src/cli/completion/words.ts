/** In which quotes text stands: none, `'…'`, `"…"`, or bash's `$'…'`. */
export type Quoting = "none" | "single" | "double" | "ansi";

export interface Word {
  /** What the shell would pass on, as far as it is no expansion. */
  value: string;
  /** Where it begins in the text. */
  start: number;
  /** The quotes that are open at its end. */
  quoting: Quoting;
  /** Where they were opened. */
  quoteAt: number;
  /** True if it ends in the middle of an escape, or holds an expansion (`$x`, backquotes), so that its value is not known. */
  unsure: boolean;
}

export interface Line {
  /** The words that are complete, without redirections. */
  words: string[];
  /** The one that the cursor is at the end of; empty after a blank. */
  current: Word;
  /** The current word is what input or output is redirected to. */
  redirected: boolean;
}

const BLANK = /\s/;
const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  e: "\x1b",
  E: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * A command line of bash up to the cursor, taken apart as bash does it (its manual, "Quoting" and "Shell Operation"), but for expansions: nothing is expanded, looked up or run.
 */
export function parseBash(text: string): Line {
  const words: string[] = [];
  let word: Word | undefined;
  let redirected = false;
  const wordAt = (start: number) => {
    word ??= { value: "", start, quoting: "none", quoteAt: -1, unsure: false };
    return word;
  };
  const finish = () => {
    if (word && !redirected) words.push(word.value);
    if (word) redirected = false;
    word = undefined;
  };
  for (let i = 0; i < text.length; ) {
    const char = text.charAt(i);
    if (word === undefined || word.quoting === "none") {
      if (BLANK.test(char)) {
        finish();
        i++;
        continue;
      }
      if (/[<>]/.test(char)) {
        // A number before it is the descriptor that is meant.
        if (word && /^\d+$/.test(word.value)) word = undefined;
        finish();
        redirected = true;
        i += /^[<>][<>&|]?/.exec(text.slice(i))?.[0].length ?? 1;
        continue;
      }
      if (/[|&;()]/.test(char)) {
        finish();
        words.length = 0;
        i++;
        continue;
      }
    }
    i += takeBash(wordAt(i), text, i);
  }
  return { words, current: wordAt(text.length), redirected };
}

/** A piece of bash's text inside one word, from where it is in no quotes. */
export function parseBashPiece(text: string): Word {
  const word: Word = { value: "", start: 0, quoting: "none", quoteAt: -1, unsure: false };
  for (let i = 0; i < text.length; ) i += takeBash(word, text, i);
  return word;
}

/** Adds the next character or escape to a word. @returns how long it was */
function takeBash(word: Word, text: string, at: number): number {
  const char = text.charAt(at);
  const next = text.charAt(at + 1);
  const add = (value: string, length: number) => {
    word.value += value;
    return length;
  };
  const open = (quoting: Quoting, length: number) => {
    [word.quoting, word.quoteAt] = [quoting, at + length - 1];
    return length;
  };
  if (char === "\\" && word.quoting !== "single") {
    if (next === "") {
      word.unsure = true;
      return 1;
    }
    if (word.quoting === "ansi") return takeAnsi(word, text, at);
    if (next === "\n") return 2;
    return add(word.quoting === "double" && !/[$`"\\]/.test(next) ? char + next : next, 2);
  }
  switch (word.quoting) {
    case "single":
    case "ansi":
      return char === "'" ? close(word) : add(char, 1);
    case "double":
      if (char === '"') return close(word);
      break;
    case "none":
      if (char === "$" && next === "'") return open("ansi", 2);
      if (char === "'") return open("single", 1);
      if (char === '"') return open("double", 1);
  }
  if (char === "$" || char === "`") word.unsure = true;
  return add(char, 1);
}

function close(word: Word): number {
  word.quoting = "none";
  return 1;
}

/** Escapes of `$'…'`. What of them stands for a byte is taken for a character, which is right for ASCII alone: `unsure` elsewhere. */
function takeAnsi(word: Word, text: string, at: number): number {
  const [sequence = "", octal, hex, unicode] =
    /^\\(?:([0-7]{1,3})|x([0-9a-f]{1,2})|u([0-9a-f]{1,4})|.)/is.exec(text.slice(at)) ?? [];
  const code = octal ? Number.parseInt(octal, 8) : Number.parseInt(hex ?? unicode ?? "", 16);
  if (Number.isNaN(code)) word.value += ESCAPES[sequence.charAt(1)] ?? sequence.charAt(1);
  else {
    word.value += String.fromCharCode(code);
    if (unicode === undefined && code > 0x7f) word.unsure = true;
  }
  return sequence.length;
}

/** The word at the cursor as fish shows it, by its own rules of quoting (its manual, "Quotes" and "Escaping Characters"). */
export function parseFish(text: string): { value: string; unsure: boolean } {
  let quote = "";
  let value = "";
  let unsure = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "\\") {
      const [sequence = "\\", code, controlled, other] =
        /^\\(?:[xX]([0-9a-f]{2})|u[0-9a-f]{1,4}|c([a-z[\]\\^_])|([\s\S]))/i.exec(text.slice(i)) ?? [];
      if (quote !== "") {
        const isEscape = other === "\\" || other === quote || (quote === '"' && other === "$");
        value += isEscape ? other : char;
        if (isEscape) i++;
        unsure ||= i === text.length - 1 && !isEscape;
        continue;
      }
      if (controlled !== undefined) value += String.fromCharCode(controlled.toUpperCase().charCodeAt(0) & 0x1f);
      else if (code !== undefined) value += String.fromCharCode(Number.parseInt(code, 16));
      else if (other === undefined) value += String.fromCharCode(Number.parseInt(sequence.slice(2), 16) || 0);
      else value += ESCAPES[other] ?? other;
      unsure ||= sequence === "\\";
      i += sequence.length - 1;
    } else if (quote !== "") {
      if (char === quote) quote = "";
      else value += char;
      unsure ||= quote === '"' && char === "$";
    } else if (char === "'" || char === '"') quote = char;
    else {
      value += char;
      unsure ||= char === "$" || char === "(";
    }
  }
  return { value, unsure };
}
