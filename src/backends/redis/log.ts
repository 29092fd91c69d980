import { randomBytes } from "node:crypto";
import { type Change, type ChangeOp, type Concerned, coverage } from "../../changes.js";
import { CacheError } from "../../errors.js";
import { overlap } from "../../namespace-scope.js";
import type { Selector } from "../../selector.js";
import { type ChangePage, LISTEN_MS, type Position } from "../backend.js";
import type { Command, Connection, Node } from "./connection.js";
import { isReply, mapError } from "./errors.js";
import { BIRTH, changeOf, type Note, noteOf } from "./log-entry.js";
import { LISTENERS, logOf } from "./names.js";
import { RepeatedNotes } from "./repeated-notes.js";
import { asArray, asBuffer, asInteger, asText } from "./reply.js";
import { LOG_ENTRIES } from "./script-parts.js";
import { type Store, untilAborted } from "./store.js";

/** Milliseconds after which the set of listeners goes, if nobody renews it. A namespace in it whose log is gone is passed over. */
export const LISTENERS_MS = 3_600_000;

/** Milliseconds that one look waits for something new; with the way there and back well below the 300 that the contract allows. */
const LOOK_MS = 200;
/**
 * Milliseconds between a look that found something and the next one: where much is written, waking for each change would take as much as writing it. The first change after
 * a quiet moment is heard at once, the next within the 60 ms that the contract allows.
 */
const GATHER_MS = 30;
/** Milliseconds without an answer after which a look has failed. */
const SILENT_MS = 1500;
/** Milliseconds after which a listener says again that it listens. */
const RENEW_MS = LISTEN_MS / 4;
/** Entries of one look. */
const PAGE_ENTRIES = 500;

const POSITION = /^\d{1,20}-\d{1,20}$/;
/** A position that no log has ever had. */
const LOST = "0-0";

/** A position as the scripts take it, "" for none. */
export function sinceFor(position: Position | undefined): Position {
  return position === undefined ? "" : POSITION.test(position) ? position : LOST;
}

/**
 * The log of one namespace: a stream that lives while somebody listens. A position is the id of an entry, and holds as long as that entry is there: then all that came
 * after it is there, too. Trimmed, expired, lost in a crash or in a failover, it is a gap.
 */
export class Log {
  /** Names this backend's own changes. */
  readonly origin = randomBytes(9).toString("base64url");
  readonly #store: Store;
  readonly #connect: (commandTimeoutMs: number) => Promise<Connection>;
  /** The namespace is in the set of listeners, which outlives the log by far. */
  #listened = false;
  readonly #over = new AbortController();
  readonly #open = new Set<Connection>();
  readonly #repeated: RepeatedNotes;

  /** @param connect opens a connection of a listener's own */
  constructor(store: Store, connect: (commandTimeoutMs: number) => Promise<Connection>) {
    this.#store = store;
    this.#connect = connect;
    this.#repeated = new RepeatedNotes(store.clock, (note) => this.announce(note), this.#over.signal);
  }

  /** A change as the log takes it. @param origin default {@link origin} */
  note(op: ChangeOp, selector: Selector, origin = this.origin): Note {
    return noteOf(this.#store.names, op, selector, origin);
  }

  /**
   * Appends a change to every log that is kept and may be concerned, by single commands.
   * @returns its id in our own log, if that is kept
   */
  async announce({ field, text }: Note): Promise<string | undefined> {
    const { connection, names } = this.#store;
    const append = (log: string): Command =>
      ["XADD", log, "NOMKSTREAM", "MAXLEN", "~", LOG_ENTRIES, "*", field, text] as const;
    const [own, listeners] = await connection.pipelineRaw([
      ["EXISTS", names.log],
      ["SMEMBERS", LISTENERS],
    ]);
    if (own instanceof Error) throw mapError(own, connection.target);
    const id = own === 0 ? null : await connection.call(append(names.log));
    // Who may not see the set hears and tells its own namespace alone.
    if (!(listeners instanceof Error)) {
      const others = asArray(listeners)
        .map(asText)
        .filter((other) => other !== names.namespace && overlap(other, names.namespace));
      await connection.pipelineRaw(others.map((other) => append(logOf(other))));
    }
    return id === null ? undefined : asText(id);
  }

  /**
   * Work that can't be one step with its change: that is told before it and after it, also when it fails half way, and then again for as long as it may still happen.
   * @param ids gets the places of the two in our own log
   */
  async around<T>(note: Note, work: () => Promise<T>, ids = new Set<string>()): Promise<T> {
    const announce = async () => {
      const id = await this.announce(note);
      if (id !== undefined) ids.add(id);
    };
    await announce();
    let result: T;
    try {
      result = await work();
    } catch (error) {
      // What went wrong first is what is told.
      await announce().catch(() => undefined);
      if (mayHappenYet(error)) this.#repeated.add(note);
      throw error;
    }
    try {
      await announce();
    } catch (error) {
      this.#repeated.add(note);
      throw error;
    }
    return result;
  }

  async position(): Promise<Position> {
    const { connection, names } = this.#store;
    if (this.#listened) {
      const [left, entries] = await connection.pipeline([
        ["PTTL", names.log],
        ["XREVRANGE", names.log, "+", "-", "COUNT", 1],
      ]);
      const [last] = asArray(entries).map(readEntry);
      if (last && asInteger(left) > LISTEN_MS / 2) return last.id;
    }
    return this.#listen(connection);
  }

  async *changes(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    const over = AbortSignal.any([signal, this.#over.signal]);
    this.#store.connection.checkOpen();
    const connection = await this.#connect(SILENT_MS);
    this.#open.add(connection);
    try {
      let position = after;
      let renewed = Number.NEGATIVE_INFINITY;
      while (!over.aborted) {
        const now = this.#store.clock.monotonic();
        if (now - renewed >= RENEW_MS) {
          await this.#listen(connection);
          renewed = now;
        }
        const page = await this.#look(connection, position, over);
        if (!page) break;
        position = page.position;
        yield page;
        if (page.changes.length > 0 && page.more !== true) await this.#store.clock.sleep(GATHER_MS, over);
      }
    } finally {
      this.#open.delete(connection);
      await connection.close();
    }
    if (!signal.aborted) this.#store.connection.checkOpen();
  }

  /** Removes it, and the namespace from those that are listened to. */
  async forget(): Promise<void> {
    const { connection, names } = this.#store;
    const [removed] = await connection.pipelineRaw([
      ["UNLINK", names.log],
      // Who may not be in the set never was.
      ["SREM", LISTENERS, names.namespace],
    ]);
    if (removed instanceof Error) throw mapError(removed, connection.target);
    this.#listened = false;
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all([...this.#open].map((connection) => connection.close()));
  }

  /** A test whether a change after a position covers an entry; where some are lost, all are covered. @param except places in the log that do not count */
  async covers(position: Position, except: ReadonlySet<string> = new Set()): Promise<(entry: Concerned) => boolean> {
    const { connection, names } = this.#store;
    const tests: ((entry: Concerned) => boolean)[] = [];
    for (let from = position; ; ) {
      if (!POSITION.test(from)) return () => true;
      const reply = await connection.call(["XRANGE", names.log, from, "+", "COUNT", PAGE_ENTRIES + 1]);
      const [first, ...entries] = asArray(reply).map(readEntry);
      if (first?.id !== from || entries.some(({ field }) => field === BIRTH)) return () => true;
      const changes = this.#changesOf(entries.filter(({ id }) => !except.has(id)));
      tests.push(...changes.map(({ selector }) => coverage(selector)));
      if (entries.length < PAGE_ENTRIES) return (entry) => tests.some((test) => test(entry));
      from = entries.at(-1)?.id ?? from;
    }
  }

  /** What came after a position; undefined when it is over. */
  async #look(connection: Connection, position: Position, over: AbortSignal): Promise<ChangePage | undefined> {
    const { log } = this.#store.names;
    if (POSITION.test(position)) {
      // Looked for last: if the entry is still there, nothing after it had been cut off when the others were read.
      const read = connection.pipeline([
        ["XREAD", "COUNT", PAGE_ENTRIES, "BLOCK", LOOK_MS, "STREAMS", log, position],
        ["XRANGE", log, position, position],
      ]);
      const replies = await stoppable(read, over);
      if (!replies) return undefined;
      const entries = replies[0] === null ? [] : asArray(asArray(asArray(replies[0])[0])[1]).map(readEntry);
      const intact = asArray(replies[1]).length > 0 && !entries.some(({ field }) => field === BIRTH);
      if (intact) {
        const changes = this.#changesOf(entries);
        const more = entries.length === PAGE_ENTRIES;
        return { changes, position: entries.at(-1)?.id ?? position, gap: false, ...(more && { more }) };
      }
    }
    return { changes: [], position: await this.#listen(connection), gap: true };
  }

  #changesOf(entries: readonly Entry[]): Change[] {
    return entries.flatMap(({ field, text }) => changeOf(this.#store.names, field, text) ?? []);
  }

  /** Keeps the log from now on, for {@link LISTEN_MS}. @returns its end */
  async #listen(node: Node): Promise<Position> {
    const { log, namespace } = this.#store.names;
    for (;;) {
      const left = asInteger(await node.call(["PTTL", log]));
      if (left === -2) await node.call(["XADD", log, "*", BIRTH, ""]);
      if (left < LISTEN_MS) await node.call(["PEXPIRE", log, LISTEN_MS]);
      for (const reply of await node.pipelineRaw([
        ["SADD", LISTENERS, namespace],
        ["PEXPIRE", LISTENERS, LISTENERS_MS],
      ])) {
        // Who may not be in the set hears its own namespace alone.
        if (reply instanceof Error && !isReply(reply, "NOPERM")) throw mapError(reply, node.target);
      }
      const [last] = asArray(await node.call(["XREVRANGE", log, "+", "-", "COUNT", 1])).map(readEntry);
      if (!last) continue;
      this.#listened = true;
      return last.id;
    }
  }
}

/** Whether a request that failed so may still be carried out. */
function mayHappenYet(error: unknown): boolean {
  return error instanceof CacheError && (error.kind === "connection" || error.kind === "timeout");
}

interface Entry {
  id: string;
  field: string;
  text: Buffer;
}

function readEntry(reply: unknown): Entry {
  const [id, fields] = asArray(reply);
  const [field, text] = asArray(fields);
  return { id: asText(id), field: asText(field), text: asBuffer(text) };
}

/** The reply, or undefined when the signal is given first. */
async function stoppable<T>(work: Promise<T>, over: AbortSignal): Promise<T | undefined> {
  try {
    return await untilAborted(work, over);
  } catch (error) {
    if (over.aborted) return undefined;
    throw error;
  }
}
