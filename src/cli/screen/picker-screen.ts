import type { EntryInfo } from "../../backends/backend.js";
import { showKey } from "../../key.js";
import { formatDuration, formatSize } from "../../units.js";
import { ttlText } from "../render/entry.js";
import { escapeLine } from "../render/value.js";
import { type Line, type Size, toned } from "./line.js";
import type { PickerState } from "./picker-state.js";
import type { Frame } from "./terminal.js";
import { clip, pad, padStart, widthOf, wrap } from "./text-width.js";

export interface PickerTitle {
  /** What is asked. */
  message: string;
  /** The store, on one line. */
  from: string;
}

const HINTS = "enter take  tab choose  ^A all that match  esc leave";
const QUERY = "> ";

/** Rows that are always there: question, query, hints. */
const FIXED_ROWS = 3;
/** A list of fewer rows gives the preview none. */
const LEAST_LIST = 4;

/** The whole screen, with the cursor behind what was typed. */
export function pickerScreen(state: PickerState, { message, from }: PickerTitle, now: number, size: Size): Frame {
  const { columns, rows } = size;
  const room = Math.max(0, rows - FIXED_ROWS);
  const below = room >= LEAST_LIST * 2 ? Math.floor(room * 0.4) : 0;
  const list = listLines(state, now, columns, room - below);
  const head = clip(message, columns);
  const query = queryLine(state, columns);
  const lines: Line[] = [
    [toned("bold", head), toned("dim", padStart(clip(from, columns - widthOf(head) - 2), columns - widthOf(head)))],
    query.line,
    ...filled(list, room - below),
    ...(below > 0 ? filled(previewLines(state, now, { columns, rows: below }), below) : []),
    [toned("dim", HINTS)],
  ];
  return { lines, cursor: { row: 1, column: query.cursor } };
}

function filled(lines: readonly Line[], rows: number): Line[] {
  return Array.from({ length: rows }, (_, row) => lines[row] ?? []);
}

/** What was typed and what came of it. Of a long query the end is shown, where one types. */
function queryLine(state: PickerState, columns: number): { line: Line; cursor: number } {
  const said = clip(stateText(state), Math.max(0, columns - QUERY.length - 12));
  const width = columns - QUERY.length - widthOf(said) - 2;
  let query = showKey(state.query).replaceAll("\\\\", "\\");
  while (widthOf(query) > width && query !== "")
    query = query.slice(query.codePointAt(0) === undefined ? 1 : lengthOfFirst(query));
  const tone = state.failure !== undefined ? "red" : state.all || state.chosen.size > 0 ? "green" : "dim";
  const line = [toned("cyan", QUERY), pad(query, width), "  ", toned(tone, said)];
  return { line, cursor: Math.min(columns - 1, QUERY.length + widthOf(query)) };
}

function lengthOfFirst(text: string): number {
  return (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
}

function stateText({ failure, search, found, chosen, all }: PickerState): string {
  if (failure !== undefined) return `✗ ${escapeLine(failure)}`;
  const count = `${found.length}${search === "bounded" ? "+" : ""} found`;
  const looking = search === "waiting" || search === "running" ? `${count} …` : count;
  return all ? `all that match, ${looking}` : chosen.size > 0 ? `${chosen.size} chosen, ${looking}` : looking;
}

/** Columns of TTL and size behind the key, on screens that have them. */
const FIGURES = 20;
const WIDE_ENOUGH = 60;

function listLines(state: PickerState, now: number, columns: number, rows: number): Line[] {
  const { found, at, search, query } = state;
  if (found.length === 0 && search === "done") {
    return [[toned("dim", query === "" ? "  there is nothing" : "  nothing matches")]];
  }
  const first = Math.max(0, Math.min(at - Math.floor(rows / 2), found.length - rows));
  return found.slice(first, first + rows).map((entry, i) => {
    const [current, taken] = [first + i === at, state.all || state.chosen.has(entry.key)];
    const mark = `${current ? "❯" : " "} ${taken ? "●" : "○"} `;
    const text =
      columns >= WIDE_ENOUGH
        ? pad(showKey(entry.key), columns - FIGURES - widthOf(mark)) + figures(entry, now)
        : clip(showKey(entry.key), columns - widthOf(mark));
    return [toned(taken ? "green" : "dim", mark), current ? toned("cyan", text) : text];
  });
}

function figures(entry: EntryInfo, now: number): string {
  const size = entry.type ?? (entry.size === undefined ? "-" : formatSize(entry.size));
  return padStart(ttlOf(entry, now).replaceAll(" ", ""), FIGURES / 2 - 1) + padStart(size, FIGURES / 2 + 1);
}

function ttlOf({ expiresAt }: EntryInfo, now: number): string {
  return ttlText(expiresAt === undefined ? undefined : Math.max(0, expiresAt - now));
}

function previewLines(state: PickerState, now: number, { columns, rows }: Size): Line[] {
  const entry = state.found[state.at];
  if (entry === undefined) return [];
  const { size, createdAt, tags = [] } = entry;
  const facts = [
    entry.type ?? (size === undefined ? undefined : formatSize(size)),
    `ttl ${ttlOf(entry, now)}`,
    createdAt === undefined ? undefined : `age ${formatDuration(Math.max(0, now - createdAt))}`,
    ...tags.map((tag) => `#${showKey(tag)}`),
  ];
  const head = clip(`── ${facts.filter((fact) => fact !== undefined).join("  ")} `, columns);
  const rule = head + "─".repeat(Math.max(0, columns - widthOf(head)));
  const lines = state.preview?.key === entry.key ? state.preview.lines : [];
  const wrapped = lines.slice(0, rows).flatMap((line) => wrap(line, columns, rows));
  return [[toned("dim", rule)], ...wrapped.map((line): Line => [line])];
}
