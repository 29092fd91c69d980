import { randomUUID } from "node:crypto";
import { type Change, type ChangeOp, type Concerned, coverage } from "../../changes.js";
import { AWAKE, type Clock } from "../../clock.js";
import type { Selector } from "../../selector.js";
import { type ChangePage, LISTEN_MS, type Position } from "../backend.js";

/** Changes that are kept for followers. */
const MAX_CHANGES = 10_000;

/** Characters of the names in them that are kept: with long keys fewer changes are. */
const MAX_TEXT = 4_000_000;

/** Milliseconds between two looks of a follower when nothing happens; the contract allows 300. */
const LOOK_MS = 200;

/** A follower. Among the others for as long as it follows: what comes and goes with every change would leave garbage behind that only V8's slow collections find. */
interface Waiting {
  sleep: AbortController | undefined;
}

interface Kept {
  change: Change;
  text: number;
  /** Made when it is first asked for. */
  covers?: (entry: Concerned) => boolean;
}

/** The log of a store in memory: a ring that is kept only while somebody listens or loads. */
export class ChangeRing {
  readonly #clock: Clock;
  /** Tells this store from another one whose positions look alike. */
  readonly #epoch = randomUUID();
  /** Changes so far, kept or not. */
  #end = 0;
  /** The last changes, the newest at the end; those before `#head` are trimmed. */
  #kept: Kept[] = [];
  #head = 0;
  #text = 0;
  /** Monotonic time until which changes are kept; undefined while nobody ever asked. */
  #until: number | undefined;
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The end of the log, which is kept for `ms` from now on. */
  position(ms: number): Position {
    this.#keep(ms);
    return this.#positionAt(this.#end);
  }

  /** @param selector asked for only if the change is kept */
  record(op: ChangeOp, selector: () => Selector, origin: string | undefined): void {
    this.#end += 1;
    if (this.#until === undefined) return;
    if (this.#clock.monotonic() > this.#until) {
      this.#until = undefined;
      this.#drop();
      return;
    }
    const change: Change = { op, selector: ownSelector(selector()), origin: origin ?? this.#epoch };
    const text = textIn(change);
    this.#kept.push({ change, text });
    this.#text += text;
    this.#trim();
    for (const waiting of this.#waiting) waiting.sleep?.abort(AWAKE);
  }

  /** True if a change after the position covers the entry, or may have: the position is lost. */
  covers(entry: Concerned, since: Position): boolean {
    const after = this.#indexAfter(since);
    if (after === undefined) return true;
    for (let i = after; i < this.#kept.length; i++) {
      const kept = this.#kept[i];
      if (kept === undefined) continue;
      kept.covers ??= coverage(kept.change.selector);
      if (kept.covers(entry)) return true;
    }
    return false;
  }

  /** What {@link ChangeLog.changes} gives; ends when the signal is given or the ring is closed. */
  async *follow(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    let position = after;
    const waiting: Waiting = { sleep: undefined };
    const stop = () => waiting.sleep?.abort(AWAKE);
    this.#waiting.add(waiting);
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!this.#closed && !signal.aborted) {
        this.#keep(LISTEN_MS);
        const index = this.#indexAfter(position);
        const changes = index === undefined ? [] : this.#kept.slice(index).map(({ change }) => change);
        position = this.#positionAt(this.#end);
        yield { changes, position, gap: index === undefined };
        if (position === this.#positionAt(this.#end)) await this.#nextChange(waiting, signal);
      }
    } finally {
      signal.removeEventListener("abort", stop);
      this.#waiting.delete(waiting);
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
    for (const waiting of this.#waiting) waiting.sleep?.abort(AWAKE);
  }

  async #nextChange(waiting: Waiting, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed) return;
    waiting.sleep = new AbortController();
    await this.#clock.sleep(LOOK_MS, waiting.sleep.signal);
    waiting.sleep = undefined;
  }

  #keep(ms: number): void {
    this.#until = Math.max(this.#until ?? Number.NEGATIVE_INFINITY, this.#clock.monotonic() + ms);
  }

  #positionAt(count: number): Position {
    return `${this.#epoch}:${count}`;
  }

  /** Where in the list the changes after a position begin; undefined when some of them are lost, or it is of another store. */
  #indexAfter(position: Position): number | undefined {
    const [epoch, digits = ""] = position.split(":");
    if (epoch !== this.#epoch || !/^\d{1,16}$/.test(digits)) return undefined;
    const index = this.#kept.length - (this.#end - Number(digits));
    return index < this.#head || index > this.#kept.length ? undefined : index;
  }

  #trim(): void {
    while (this.#kept.length - this.#head > MAX_CHANGES || this.#text > MAX_TEXT) {
      this.#text -= this.#kept[this.#head]?.text ?? 0;
      this.#head += 1;
    }
    if (this.#head <= MAX_CHANGES) return;
    this.#kept = this.#kept.slice(this.#head);
    this.#head = 0;
  }

  #drop(): void {
    this.#kept = [];
    this.#head = 0;
    this.#text = 0;
  }
}

/** A selector that the caller can't change any more. */
function ownSelector(selector: Selector): Selector {
  if ("keys" in selector) return { ...selector, keys: [...selector.keys] };
  if ("all" in selector || selector.tags === undefined) return { ...selector };
  return { ...selector, tags: [...selector.tags] };
}

function textIn({ selector, origin }: Change): number {
  let text = origin.length;
  if ("keys" in selector) for (const key of selector.keys) text += key.length;
  else if (!("all" in selector)) {
    text += (selector.prefix?.length ?? 0) + (selector.match?.length ?? 0);
    for (const tag of selector.tags ?? []) text += tag.length;
  }
  return text;
}
