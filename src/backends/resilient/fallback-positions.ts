import type { Backend, EntryWriter, Position } from "../backend.js";
import type { Standby } from "./standby.js";

/** Begins positions in the log of the fallback. */
const MARK = "~";

/**
 * Positions in the log of the fallback, for who fills it while the store is away. One is good for as long as the store stays away: what was changed since in the store, the fallback
 * has not heard of.
 */
export class FallbackPositions {
  readonly #fallback: Backend;
  readonly #standby: Standby;

  constructor(fallback: Backend, standby: Standby) {
    this.#fallback = fallback;
    this.#standby = standby;
  }

  async end(): Promise<Position> {
    const { absence } = this.#standby;
    return `${MARK}${absence}.${await this.#fallback.position()}`;
  }

  isOne(position: Position | undefined): boolean {
    return position?.startsWith(MARK) === true;
  }

  /** The position as the fallback knows it; undefined where it is none of its log, or of an earlier absence of the store. */
  inner(position: Position): Position | undefined {
    const begin = `${MARK}${this.#standby.absence}.`;
    return !this.#standby.trusted && position.startsWith(begin) ? position.slice(begin.length) : undefined;
  }
}

/** For what can't be kept in any case. */
export function refusingWriter(): EntryWriter {
  return { write: async () => {}, commit: async () => "condition", abort: async () => {} };
}
