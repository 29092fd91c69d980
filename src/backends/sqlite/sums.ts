import type { Link } from "./link.js";

/** Adds to what all entries come to. */
export function addToTotals(link: Link, entries: number, bytes: number): void {
  link.action("UPDATE totals SET entries = entries + ?, bytes = bytes + ?").run(entries, bytes);
}

/** Adds to a counter of a namespace. */
export function addToCounter(link: Link, namespace: string, name: string, by: number): void {
  link
    .action(
      `INSERT INTO counters (namespace, name, value) VALUES (?, ?, ?)
       ON CONFLICT (namespace, name) DO UPDATE SET value = value + excluded.value`,
    )
    .run(namespace, name, by);
}
