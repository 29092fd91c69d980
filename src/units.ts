import { CacheError } from "./errors.js";

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The longest duration accepted: 1,000 years, so that every deadline stays a safe integer in every store. */
const MAX_DURATION_MS = 1000 * 365 * 86_400_000;

/**
 * Milliseconds from `500ms`, `30s`, `1h30m`, `7d`; a bare number is seconds.
 * @throws CacheError `invalid-duration` for anything else; signs are accepted only to be refused by the caller's own rule
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  const bare = /^-?\d+(\.\d+)?$/.test(trimmed);
  const compound = /^-?(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(trimmed);
  if (!bare && !compound) {
    throw new CacheError("usage", "invalid-duration", `"${text}" is not a duration`, {
      hint: "Write it like 500ms, 30s, 1h30m or 7d; a bare number is seconds.",
    });
  }
  let ms = 0;
  if (bare) ms = Math.abs(Number(trimmed)) * 1000;
  else {
    for (const part of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
      ms += Number(part[1]) * (DURATION_UNITS[part[2] ?? ""] ?? 0);
    }
  }
  if (ms > MAX_DURATION_MS) {
    throw new CacheError("usage", "invalid-duration", `"${text}" is longer than 1000 years`, {
      hint: "Give a shorter one; a TTL that never ends is none.",
    });
  }
  return trimmed.startsWith("-") ? -Math.round(ms) : Math.round(ms);
}

/**
 * A TTL in milliseconds, or `null` for `none`: never expires.
 * @throws CacheError `invalid-ttl` for 0 or less, `invalid-duration` for what is no duration
 */
export function parseTtl(text: string): number | null {
  if (text.trim() === "none") return null;
  const ms = parseDuration(text);
  if (ms <= 0) {
    throw new CacheError("usage", "invalid-ttl", `a TTL of ${text} would store nothing`, {
      hint: "Give a TTL above zero, or none for an entry that never expires.",
    });
  }
  return ms;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/**
 * Bytes from `1000`, `10kB`, `10MB`, `10MiB`.
 * @throws CacheError `invalid-size`
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const factor = SIZE_UNITS[(match?.[2] ?? "?").toUpperCase()];
  if (!match || factor === undefined || !Number.isSafeInteger(Math.round(Number(match[1]) * factor))) {
    throw new CacheError("usage", "invalid-size", `"${text}" is not a size`, {
      hint: "Write it like 512, 10kB, 10MB or 10MiB.",
    });
  }
  return Math.round(Number(match[1]) * factor);
}

/** `1h 30m`, `45s`, `120ms`: the two largest units, for people. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ] as const) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(`${n}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** `512 B`, `1.5 kB`, `45.2 MB`: decimal units, for people. */
export function formatSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}
