import type { Selector } from "../../../src/selector.js";

/** What a worker writes into its log, a line of JSON each. Times in milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export type Line =
  /** A change begins; it is written down before the call is made, so that a kill can't hide it. */
  | { t: "begin"; id: number; at: number; change: Started }
  /** It was answered. `code`: with an error. */
  | { t: "end"; id: number; at: number; code?: string; stored?: boolean }
  | { t: "read"; start: number; end: number; key: string; value: string | null; how: string; space: Space }
  /** A read that was answered with an error. */
  | { t: "failed"; start: number; end: number; how: string; code: string }
  /** A call that took longer than it may, by more than the event loop was late. */
  | { t: "late"; how: string; took: number; allowed: number; lag: number }
  /** The slowest call so far. */
  | { t: "slowest"; how: string; took: number; lag: number }
  /** The event loop was late by so much, in the milliseconds before. */
  | { t: "lag"; at: number; ms: number }
  /** A breaker of it opened, or closed again: while one is open reads are misses by intent, and logs are not heard. */
  | { t: "breaker"; at: number; space: Space; open: boolean }
  | { t: "unhandled"; text: string }
  | { t: "ready" | "stopped" | "swept"; at: number }
  /** Calls that had not been answered long after their deadlines. */
  | { t: "hanging"; hows: string[] };

/** `main`: everything is done to it; `keep`: nothing is ever deleted there. */
export type Space = "main" | "keep";

export type Started =
  | { do: "write"; space: Space; key: string; value: string; tags: string[] }
  | { do: "drop"; space: Space; selector: Selector }
  /** The source of a key is given this number. */
  | { do: "source"; key: string; n: number };

interface Timed {
  start: number;
  /** When it was answered; infinite where it never was, because its process was killed. */
  end: number;
  /** With success. */
  ok: boolean;
}

export interface Write extends Timed {
  space: Space;
  key: string;
  value: string;
  tags: readonly string[];
}

export interface Drop extends Timed {
  space: Space;
  selector: Selector;
}

export interface SourceChange extends Timed {
  key: string;
  n: number;
}

export interface Read {
  space: Space;
  key: string;
  /** Undefined for a miss. */
  value: string | undefined;
  start: number;
  end: number;
  how: string;
  /** Number of its process. */
  by: number;
}

/** All that several processes have done and seen. */
export interface History {
  writes: Write[];
  drops: Drop[];
  sources: SourceChange[];
  reads: Read[];
}

const SOURCE_PREFIX = "q/";

/** True for a key whose value comes from a source of truth. */
export const isSourced = (key: string): boolean => key.startsWith(SOURCE_PREFIX);

export const KEYS: readonly string[] = ["a/", "b/"].flatMap((prefix) =>
  Array.from({ length: 5 }, (_, i) => prefix + i),
);
export const SOURCED: readonly string[] = Array.from({ length: 4 }, (_, i) => SOURCE_PREFIX + i);
export const KEPT: readonly string[] = Array.from({ length: 8 }, (_, i) => `p/${i}`);
export const TAGS: readonly string[] = ["t0", "t1", "t2"];

/** The tags of what is loaded from a source. */
export const sourceTags = (key: string): string[] => ["sources", `source-${key}`];

/** What is written under a name: some values are long, so that an answer comes in several pieces. */
export function bodyOf(name: string): string {
  const n = Number(name.slice(name.lastIndexOf(".") + 1));
  return `${name}|${"x".repeat(n % 50 === 7 ? 60_000 : n % 40)}`;
}

/** The name under which a value was written; what was damaged has none that anybody wrote. */
export function nameOf(body: unknown): string {
  if (typeof body !== "string") return `damaged: ${JSON.stringify(body)?.slice(0, 80)}`;
  const name = body.slice(0, Math.max(0, body.indexOf("|")));
  return bodyOf(name) === body ? name : `damaged: ${body.slice(0, 80)}, ${body.length} long`;
}

/** What the source of a key says. */
export const sourceName = (key: string, n: number): string => `${key}.${n}`;
