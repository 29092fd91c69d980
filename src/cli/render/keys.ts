import { showKey } from "../../key.js";
import { formatDuration, formatSize } from "../../units.js";
import { ttlText } from "./entry.js";

interface Row {
  key: string;
  /** Milliseconds, null = never. */
  ttl: number | null;
  size?: number;
  age?: number;
  tags: readonly string[];
  valueType: string;
}

const WIDTHS = [8, 9, 8];

function columns(cells: readonly string[], rest: string): string {
  return [...cells.map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0)), rest].join(" ");
}

export function keyHeader(): string {
  return columns(["TTL", "SIZE", "AGE"], "KEY");
}

/** A line for a person: the key last, so that a long one moves nothing. */
export function keyRow(row: Row): string {
  const tags = row.tags.map((tag) => ` #${showKey(tag)}`).join("");
  const type = row.valueType === "string" ? "" : ` (${row.valueType})`;
  const size = row.size === undefined ? "-" : formatSize(row.size);
  const age = row.age === undefined ? "-" : formatDuration(row.age).replaceAll(" ", "");
  return columns([ttlText(row.ttl ?? undefined).replaceAll(" ", ""), size, age], `${showKey(row.key)}${type}${tags}`);
}

/** A line for a program: tabs between, milliseconds and bytes; the key escaped, so that a tab or line feed in it is told. */
export function keyTsv(row: Row): string {
  return [
    showKey(row.key),
    row.ttl ?? "never",
    row.size ?? "-",
    row.age ?? "-",
    row.tags.map(showKey).join(","),
    row.valueType,
  ].join("\t");
}
