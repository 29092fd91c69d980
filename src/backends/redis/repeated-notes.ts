import type { Clock } from "../../clock.js";
import type { Note } from "./log-entry.js";

/** Milliseconds for which what was sent may still happen after its failure is known: it can lie in the buffers of a server that stands still. */
const LINGER_MS = 4000;
/** Milliseconds between two rounds. */
const ROUND_MS = 500;
/** Milliseconds after which a log that can't be written is left: who read it last trusts no copy any more. */
const LONGEST_MS = 60_000;
/** Notes that wait at most. */
const MOST_NOTES = 1000;

interface Waiting {
  note: Note;
  /** Monotonic milliseconds. */
  since: number;
}

/** Changes that failed half way are told again for as long as they may still happen: who read in between has a copy of what was there before, of which nobody would tell him. */
export class RepeatedNotes {
  readonly #clock: Clock;
  readonly #announce: (note: Note) => Promise<unknown>;
  readonly #over: AbortSignal;
  readonly #waiting = new Map<string, Waiting>();
  #running = false;

  /** @param announce appends one to the logs @param over ends it */
  constructor(clock: Clock, announce: (note: Note) => Promise<unknown>, over: AbortSignal) {
    this.#clock = clock;
    this.#announce = announce;
    this.#over = over;
  }

  /** Never fails. */
  add(note: Note): void {
    const id = note.field + note.text.toString("latin1");
    if (!this.#waiting.has(id) && this.#waiting.size >= MOST_NOTES) return;
    this.#waiting.set(id, { note, since: this.#clock.monotonic() });
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.size > 0) {
      await this.#clock.sleep(ROUND_MS, this.#over, true);
      if (this.#over.aborted) return;
      for (const [id, { note, since }] of [...this.#waiting]) {
        const age = this.#clock.monotonic() - since;
        const told = await this.#announce(note).then(
          () => true,
          () => false,
        );
        if (age >= (told ? LINGER_MS : LONGEST_MS)) this.#waiting.delete(id);
        if (!told) break;
      }
    }
    this.#running = false;
  }
}
