import { showCount, withUnseen } from "../text.js";

/** Signs of a text that are shown where there are others beside it. */
const SHORT = 240;

/** Text of somebody else's, in which every sign can be seen and none reaches what is beside it. */
export function KeyText({ text, isWhole = false }: { text: string; isWhole?: boolean }) {
  const isCut = !isWhole && text.length > SHORT;
  // Not between the halves of a surrogate pair.
  const shown = isCut ? text.slice(0, SHORT).replace(/[\ud800-\udbff]$/, "") : text;
  return (
    <code class="key" dir="ltr">
      {escaped(shown)}
      {isCut && <span class="more">… {showCount(text.length)} characters</span>}
    </code>
  );
}

/** The same as {@link KeyText}, of several lines. */
export function escapedLines(text: string) {
  return escaped(text, true);
}

/** What is written in the place of a sign is told apart from text that looks like it. */
function escaped(text: string, hasLines = false) {
  return withUnseen(text, hasLines).map((part, i) => (i % 2 === 0 ? part : <span class="escape">{part}</span>));
}
