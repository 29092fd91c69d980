const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * The members of a list (RFC 9110 §5.6.1): parted by commas outside quoted strings, without the white space around them and without empty
 * ones. A quoted string that doesn't end takes the rest. Time grows with the length of the text.
 */
export function membersOf(text: string): string[] {
  return splitOutsideQuotes(text, ",")
    .map(trimmed)
    .filter((member) => member !== "");
}

/** The parts of a text between the separators that are in no quoted string (RFC 9110 §5.6.4), as they are. */
export function splitOutsideQuotes(text: string, separator: "," | ";"): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted && char === "\\") i += 1;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === separator) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** Without the optional white space (space and tab, RFC 9110 §5.6.3) at both ends. */
export function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from += 1;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to -= 1;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
