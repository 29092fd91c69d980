import { statSync } from "node:fs";
import type { Clock } from "../../clock.js";
import type { Link } from "./link.js";

/** Writes of this process between two looks at the size of the log. */
const LOOK_EVERY = 32;
/** Bytes from which on the log is to be begun anew. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Milliseconds before the next try after one that others stood in the way of: doubled with each, up to a second. A reader may be there for long. */
const FIRST_PAUSE_MS = 4;
const MAX_PAUSE_MS = 1000;
/** Milliseconds for which a writer holds back meanwhile, so that there is a moment in which nobody writes. */
const REST_MS = 8;

/**
 * Keeps the write-ahead log small where several processes write all the time. SQLite takes it into the database in passing, but begins it anew only when
 * nobody has written meanwhile: then it grows to hundreds of megabytes, and the commit that can cut it back at last takes as long as that.
 */
export class LogSize {
  readonly #path: string;
  readonly #clock: Clock;
  #writes = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #notBefore = Number.NEGATIVE_INFINITY;

  /** @param path of the database */
  constructor(path: string, clock: Clock) {
    this.#path = `${path}-wal`;
    this.#clock = clock;
  }

  /** To be called after a write; the milliseconds that the writer should wait before its next one. */
  tend(link: Link): number {
    this.#writes += 1;
    if (this.#writes % LOOK_EVERY !== 0) return 0;
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (size < MAX_BYTES) return 0;
    const now = this.#clock.monotonic();
    if (now >= this.#notBefore) {
      if (restart(link)) {
        this.#pauseMs = FIRST_PAUSE_MS;
        return 0;
      }
      this.#notBefore = now + this.#pauseMs;
      this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    }
    return 1 + Math.random() * REST_MS;
  }
}

/** False where others stood in the way. */
function restart({ db }: Link): boolean {
  try {
    // The most of it first, while others write; then the rest, which nobody can add to meanwhile.
    db.pragma("wal_checkpoint(PASSIVE)");
    return db.pragma("wal_checkpoint(RESTART)", { simple: true }) === 0;
  } catch {
    // What was written is written: what is wrong here is told to whoever writes next, as where SQLite does this by itself.
    return false;
  }
}
