/** Signs that show nothing, or turn what is beside them around: text of others may hold any, and must not look like another one. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Surrogate}\u00a0\u115f\u1160\u2800\u3164\uffa0]/gu;

/** A key, a tag or a name as text in which every sign can be seen. Bytes that are no UTF-8 are shown as `\xff`. */
export function showKey(key: string): string {
  return key.replaceAll("\\", "\\\\").replace(UNSEEN, showUnseen);
}

/**
 * Text, and between its parts signs that can't be seen, written so that they can: `["a", "\\n", "b"]`.
 * @param hasLines ends of lines and tabs stay what they are
 */
export function withUnseen(text: string, hasLines = false): string[] {
  const parts: string[] = [];
  let seen = 0;
  for (const { 0: sign, index } of text.matchAll(UNSEEN)) {
    if (hasLines && (sign === "\n" || sign === "\t" || (sign === "\r" && text[index + 1] === "\n"))) continue;
    parts.push(text.slice(seen, index), showUnseen(sign));
    seen = index + sign.length;
  }
  return [...parts, text.slice(seen)];
}

function showUnseen(sign: string): string {
  const code = sign.codePointAt(0) ?? 0;
  if (sign === "\n") return "\\n";
  if (sign === "\t") return "\\t";
  if (sign === "\r") return "\\r";
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`;
  return `\\u{${code.toString(16)}}`;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** `1.5 MB`; 1 KB is 1024 bytes, as everywhere here. */
export function showBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `12,345` */
export function showCount(count: number): string {
  return Math.round(count).toLocaleString("en");
}

/** Of something a second: `3.2`, `1,142`. */
export function showPerSecond(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : showCount(value);
}

/** `0.42 ms`, `12 ms`, `3.1 s` */
export function showMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 0.01) return "< 0.01 ms";
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(2)} ms`;
}

/** `93.5%`; a dash where there is no rate. */
export function showRate(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? "–" : `${(rate * 100).toFixed(1)}%`;
}

/** `3d 4h`, `4m 10s`, `12s` */
export function showDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}
