import { randomBytes } from "node:crypto";
import { type Change, type ChangeOp, type Concerned, coverage } from "../../changes.js";
import { overlap, translate } from "../../namespace-scope.js";
import type { Selector } from "../../selector.js";
import { type ChangePage, LISTEN_MS, type Position } from "../backend.js";
import type { Link } from "./link.js";

/** Rows that the log of one namespace holds, and by how many more it is trimmed at a time. */
const MAX_ROWS = 10_000;
const TRIM_ROWS = 500;
/** Characters of a selector in the log; what is longer is logged as everything. */
const MAX_SELECTOR = 32_768;
/** Rows that one look reads. */
const PAGE_ROWS = 500;
const POSITION = /^([0-9a-f]{16})\.(\d{1,15})$/;

type LogRow = [seq: number, namespace: string, op: ChangeOp, selector: string, origin: string];

/**
 * The log of what changed, as the tables of one file hold it for one namespace. Its methods are steps of a transaction of the caller.
 * Namespaces are prefixes of keys, so what happens in one concerns every other that begins with it or that it begins with.
 */
export class Log {
  readonly #namespace: string;
  #origin: string | undefined;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** What changes of this backend are named by, where the caller has no name for them. */
  get origin(): string {
    this.#origin ??= randomBytes(8).toString("hex");
    return this.#origin;
  }

  /**
   * Notes a change, if somebody listens whom it may concern.
   * @param now epoch milliseconds
   */
  append(link: Link, op: ChangeOp, scope: () => Selector, origin: string | undefined, now: number): void {
    if (!this.#isHeard(link, now)) return;
    const namespace = this.#namespace;
    const selector = JSON.stringify(scope());
    const text = selector.length > MAX_SELECTOR ? '{"all":true}' : selector;
    this.#insert(link, op, text, origin ?? this.origin);
    const length = link
      .column<number>(
        `INSERT INTO log_ends (namespace, length, trimmed) VALUES (?, 1, 0)
         ON CONFLICT (namespace) DO UPDATE SET length = length + 1 RETURNING length`,
      )
      .get(namespace);
    if (length !== undefined && length > MAX_ROWS + TRIM_ROWS) this.#trim(link);
  }

  #isHeard(link: Link, now: number): boolean {
    const namespace = this.#namespace;
    return (
      link
        .column<number>(
          `SELECT EXISTS (SELECT 1 FROM listeners WHERE until > ?
             AND (substr(?, 1, length(namespace)) = namespace OR substr(namespace, 1, length(?)) = ?))`,
        )
        .get(now, namespace, namespace, namespace) === 1
    );
  }

  #insert(link: Link, op: ChangeOp, selector: string, origin: string): number {
    const insert = link.action("INSERT INTO log (namespace, op, selector, origin) VALUES (?, ?, ?, ?)");
    return Number(insert.run(this.#namespace, op, selector, origin).lastInsertRowid);
  }

  #trim(link: Link): void {
    const namespace = this.#namespace;
    const cut = link
      .column<number>("SELECT seq FROM log WHERE namespace = ? ORDER BY seq DESC LIMIT 1 OFFSET ?")
      .get(namespace, MAX_ROWS);
    if (cut === undefined) return;
    const { changes } = link.action("DELETE FROM log WHERE namespace = ? AND seq <= ?").run(namespace, cut);
    link
      .action("UPDATE log_ends SET length = length - ?, trimmed = ? WHERE namespace = ?")
      .run(changes, cut, namespace);
  }

  /** True if the log is kept for us for a good while yet, so that {@link keep} need not write. */
  isKept(link: Link, now: number): boolean {
    const until = link.column<number>("SELECT until FROM listeners WHERE namespace = ?").get(this.#namespace);
    return until !== undefined && until > now + LISTEN_MS / 2;
  }

  /**
   * From the end of the transaction on the log is kept for us.
   * @param ms for so long, or for {@link LISTEN_MS} if that is longer
   */
  keep(link: Link, now: number, ms = 0): void {
    const until = now + Math.max(ms, LISTEN_MS);
    const going = link.action("UPDATE listeners SET until = max(until, ?) WHERE namespace = ? AND until > ?");
    if (going.run(until, this.#namespace, now).changes > 0) return;
    dropUnheard(link, now);
    // A number of its own for the beginning: what was before it, logged or not, is before every position from now on.
    const since = this.#insert(link, "write", '{"keys":[]}', "");
    link.action("DELETE FROM log WHERE seq = ?").run(since);
    link.action("INSERT INTO listeners (namespace, since, until) VALUES (?, ?, ?)").run(this.#namespace, since, until);
  }

  /** The end of the log; a place to go on from only if the log is kept. */
  end(link: Link): Position {
    return `${epochOf(link)}.${lastSeq(link)}`;
  }

  /** What was logged after a position, a page of it, in the words of our namespace. */
  read(link: Link, after: Position): ChangePage {
    const [, epoch, text] = POSITION.exec(after) ?? [];
    const from = Number(text ?? -1);
    const end = lastSeq(link);
    const rows = from < end ? this.#rowsAfter(link, from) : [];
    const own = epochOf(link);
    // Looked for after the rows were read: what is trimmed between the two is missed by neither.
    if (epoch !== own || from > end || this.#hasGap(link, from)) {
      return { changes: [], position: `${own}.${end}`, gap: true };
    }
    const seen = rows.at(-1)?.[0] ?? from;
    const changes = rows.map((row) => this.#changeOf(row)).filter((change) => change !== undefined);
    return { changes, position: `${own}.${rows.length < PAGE_ROWS ? Math.max(seen, end) : seen}`, gap: false };
  }

  #rowsAfter(link: Link, seq: number): LogRow[] {
    const sql = "SELECT seq, namespace, op, selector, origin FROM log WHERE seq > ? ORDER BY seq LIMIT ?";
    return link.rows<LogRow>(sql).all(seq, PAGE_ROWS);
  }

  #changeOf([, namespace, op, text, origin]: LogRow): Change | undefined {
    if (!overlap(namespace, this.#namespace)) return undefined;
    const selector = translate(parsed(text), namespace, this.#namespace);
    return selector && { op, selector, origin };
  }

  #hasGap(link: Link, from: number): boolean {
    const namespace = this.#namespace;
    const lost = link
      .column<number>(
        `SELECT max(coalesce((SELECT since FROM listeners WHERE namespace = ?), ?),
           coalesce((SELECT max(trimmed) FROM log_ends
             WHERE substr(?, 1, length(namespace)) = namespace OR substr(namespace, 1, length(?)) = ?), 0))`,
      )
      .get(namespace, Number.MAX_SAFE_INTEGER, namespace, namespace, namespace);
    return lost === undefined || from < lost;
  }

  /** A test whether something that was logged after a position covers an entry; where the log has a gap there, it covers all. */
  since(link: Link, after: Position): (entry: Concerned) => boolean {
    const keys = new Set<string>();
    const tests: ((entry: Concerned) => boolean)[] = [];
    for (let position = after; ; ) {
      const page = this.read(link, position);
      if (page.gap) return () => true;
      for (const { selector } of page.changes) {
        if ("keys" in selector) for (const key of selector.keys) keys.add(key);
        else tests.push(coverage(selector));
      }
      if (page.position === position) break;
      position = page.position;
    }
    return (entry) => keys.has(entry.key) || tests.some((test) => test(entry));
  }
}

function lastSeq(link: Link): number {
  return link.column<number>("SELECT seq FROM sqlite_sequence WHERE name = 'log'").get() ?? 0;
}

function epochOf(link: Link): string {
  return link.column<string>("SELECT name FROM epoch").get() ?? "";
}

/**
 * What was logged since a position, for one who writes in several transactions: what he logs himself is not among it. Both methods are steps of such a
 * transaction, the one its first, the other its last.
 */
export class Watch {
  readonly #log: Log;
  readonly #seen: ((entry: Concerned) => boolean)[] = [];
  #position: Position;

  constructor(log: Log, since: Position) {
    this.#log = log;
    this.#position = since;
  }

  /** A test whether anything so far covers an entry. */
  look(link: Link): (entry: Concerned) => boolean {
    this.#seen.push(this.#log.since(link, this.#position));
    return (entry) => this.#seen.some((covers) => covers(entry));
  }

  pass(link: Link): void {
    this.#position = this.#log.end(link);
  }
}

/** Removes all that is kept of a namespace besides entries. */
export function forgetNamespace(link: Link, namespace: string): void {
  for (const table of ["listeners", "log", "log_ends", "counters"])
    link.action(`DELETE FROM ${table} WHERE namespace = ?`).run(namespace);
}

/** Removes the log where nobody listens any more. */
export function dropUnheard(link: Link, now: number): void {
  link.action("DELETE FROM listeners WHERE until <= ?").run(now);
  if (link.column<number>("SELECT EXISTS (SELECT 1 FROM listeners)").get() === 1) return;
  for (const table of ["log", "log_ends"]) link.action(`DELETE FROM ${table}`).run();
}

/** The file may have been written by anybody: what is no selector means everything. */
function parsed(text: string): Selector {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Selector;
  } catch {
    // Falls through to everything.
  }
  return { all: true };
}
