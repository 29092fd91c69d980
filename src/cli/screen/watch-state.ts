import type { Outage, Reading } from "../../cache/readings.js";
import type { PrefixGroup } from "../../cache/survey.js";
import type { Key } from "./terminal.js";

/** What a survey of the keys found, and how much of the store it saw. */
export interface Survey {
  groups: readonly PrefixGroup[];
  /** Entries that were looked at. */
  seen: number;
  /** These are all there are. */
  complete: boolean;
  /** Bytes are known. */
  sized: boolean;
  /** Epoch milliseconds. */
  at: number;
}

const SORTS = ["bytes", "entries", "name"] as const;

/** What there is to show. */
export interface Seen {
  /** Oldest first. */
  readings: readonly (Reading | Outage)[];
  survey?: Survey;
  /** Why the keys could not be looked through. */
  surveyFailure?: string;
}

export interface WatchState extends Seen {
  sort: (typeof SORTS)[number];
  help: boolean;
  /** What was there when the picture was stopped, while it is. */
  paused?: Seen;
}

export const WATCH_START: WatchState = { readings: [], sort: "bytes", help: false };

/** Readings that are kept: as many as the widest screen has columns, and some ten minutes at the usual interval. */
const MOST_READINGS = 600;

export function withReading(state: WatchState, reading: Reading | Outage): WatchState {
  return { ...state, readings: [...state.readings, reading].slice(-MOST_READINGS) };
}

export type WatchAct = "quit" | "interrupt";

/** What a key does: another state, or the end. */
export function pressedInWatch(state: WatchState, { name, ctrl, text }: Key): WatchState | WatchAct {
  if (ctrl) return name === "c" ? "interrupt" : state;
  if (text === "?") return { ...state, help: !state.help };
  switch (name) {
    case "q":
    case "escape":
      return state.help ? { ...state, help: false } : "quit";
    case "s":
      return { ...state, sort: SORTS[(SORTS.indexOf(state.sort) + 1) % SORTS.length] ?? "bytes" };
    case "p":
    case "space": {
      const { paused, ...running } = state;
      const { readings, survey } = state;
      return paused ? running : { ...running, paused: { readings, ...(survey && { survey }) } };
    }
    case "r": {
      const { paused: _, readings, ...rest } = state;
      return { ...rest, readings: readings.slice(-1) };
    }
    default:
      return state;
  }
}
