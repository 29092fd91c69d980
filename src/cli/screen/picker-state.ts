import type { EntryInfo } from "../../backends/backend.js";
import type { Filter, Selector } from "../../selector.js";
import type { Key } from "./terminal.js";

interface Preview {
  key: string;
  lines: readonly string[];
}

export interface PickerState {
  /** What was typed: a prefix, or a glob where it holds one of its signs. */
  query: string;
  found: readonly EntryInfo[];
  /** `bounded`: there may be more than was found. */
  search: "waiting" | "running" | "done" | "bounded";
  failure?: string;
  /** Which of `found` the cursor is at. */
  at: number;
  chosen: ReadonlySet<string>;
  /** All that match are chosen, also what was not found yet. */
  all: boolean;
  preview?: Preview;
}

export const PICKER_START: PickerState = {
  query: "",
  found: [],
  search: "waiting",
  at: 0,
  chosen: new Set(),
  all: false,
};

export type PickerAct = "accept" | "cancel" | "interrupt";

/** A page of the list, for the keys that go by pages. */
const PAGE = 10;

/** What a key does: another state, or the end. */
export function pressedInPicker(state: PickerState, key: Key): PickerState | PickerAct {
  if (key.ctrl) return withControl(state, key.name);
  switch (key.name) {
    case "return":
    case "enter":
      return selected(state) === undefined ? state : "accept";
    case "escape":
      return "cancel";
    case "backspace":
      return typed(state, [...state.query].slice(0, -1).join(""));
    case "up":
      return moved(state, -1);
    case "down":
      return moved(state, 1);
    case "pageup":
      return moved(state, -PAGE);
    case "pagedown":
      return moved(state, PAGE);
    case "home":
      return moved(state, Number.NEGATIVE_INFINITY);
    case "end":
      return moved(state, Number.POSITIVE_INFINITY);
    case "tab":
    case "space":
      return toggled(state);
    default:
      return isTyped(key.text) ? typed(state, state.query + key.text) : state;
  }
}

function withControl(state: PickerState, name: string): PickerState | PickerAct {
  switch (name) {
    case "c":
      return "interrupt";
    case "d":
      return "cancel";
    case "a":
      return { ...state, all: !state.all, chosen: new Set() };
    case "u":
      return typed(state, "");
    case "w":
      return typed(state, state.query.replace(/[^:/. ]*[:/. ]*$/, ""));
    case "p":
      return moved(state, -1);
    case "n":
      return moved(state, 1);
    default:
      return state;
  }
}

function isTyped(text: string): boolean {
  return text !== "" && !/[\p{Cc}\p{Cs}]/u.test(text);
}

function typed(state: PickerState, query: string): PickerState {
  if (query === state.query) return state;
  const { failure: _, ...rest } = state;
  // What was meant by all has changed.
  return { ...rest, query, search: "waiting", all: false };
}

function moved(state: PickerState, by: number): PickerState {
  return { ...state, at: Math.max(0, Math.min(state.found.length - 1, state.at + by)) };
}

function toggled(state: PickerState): PickerState {
  const key = state.found[state.at]?.key;
  if (key === undefined) return state;
  const chosen = new Set(state.chosen);
  if (!chosen.delete(key)) chosen.add(key);
  return moved({ ...state, chosen, all: false }, 1);
}

/** What a search found so far; the cursor stays at its entry as long as that is there. */
export function withFound(
  state: PickerState,
  found: readonly EntryInfo[],
  search: "running" | "done" | "bounded",
): PickerState {
  const key = state.found[state.at]?.key;
  const at = found.findIndex((entry) => entry.key === key);
  return { ...state, found, search, at: Math.max(0, at) };
}

/** What Enter gives: all that match, what was chosen, or where the cursor is; undefined where there is nothing. */
export function selected(state: PickerState): Selector | undefined {
  if (state.all) return selectorOf(state.query);
  if (state.chosen.size > 0) return { keys: [...state.chosen] };
  // What is listed then is of another query than the one that is read.
  const entry = state.search === "waiting" ? undefined : state.found[state.at];
  return entry === undefined ? undefined : { keys: [entry.key] };
}

const GLOB_SIGNS = /[*?[\\]/;

/** What a query means. @param types of Redis, besides */
export function selectorOf(query: string, types?: Filter["types"]): Selector {
  const more = types && { types };
  if (query === "") return { all: true, ...more };
  return GLOB_SIGNS.test(query) ? { match: query, ...more } : { prefix: query, ...more };
}
