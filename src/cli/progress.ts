import { formatDuration } from "../units.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** Milliseconds between two drawings on a terminal, and between two lines elsewhere. */
const TERMINAL_MS = 100;
const PLAIN_MS = 5000;

export interface ProgressState {
  done: number;
  /** 0 to 1, where the whole is known. */
  share?: number | undefined;
}

/** Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere, nothing with `--quiet`. */
export class Progress {
  readonly #io: Io;
  readonly #out: Output;
  readonly #what: string;
  readonly #terminal: boolean;
  readonly #start: number;
  #last: number;
  #drawn = false;

  constructor(io: Io, out: Output, what: string) {
    this.#io = io;
    this.#out = out;
    this.#what = what;
    this.#terminal = io.stderr.isTTY === true && io.env.TERM !== "dumb";
    this.#start = io.clock.monotonic();
    this.#last = this.#start;
  }

  update(state: ProgressState): void {
    if (this.#out.quiet) return;
    const now = this.#io.clock.monotonic();
    if (now - this.#last < (this.#terminal ? TERMINAL_MS : PLAIN_MS)) return;
    this.#last = now;
    const line = this.#line(state, now - this.#start);
    if (!this.#terminal) {
      this.#io.stderr.write(`${line}\n`);
      return;
    }
    const columns = this.#io.stderr.columns ?? 80;
    this.#io.stderr.write(`\r\u001b[K${line.slice(0, columns - 1)}`);
    this.#drawn = true;
  }

  /** Takes the bar away; what is worth keeping is in the summary. */
  end(): void {
    if (this.#drawn) this.#io.stderr.write("\r\u001b[K");
    this.#drawn = false;
  }

  #line({ done, share }: ProgressState, elapsed: number): string {
    const rate = elapsed > 0 ? Math.round((done / elapsed) * 1000) : 0;
    const counts = `${this.#what}: ${done} (${rate}/s)`;
    if (share === undefined || share <= 0) return counts;
    const left = formatDuration((elapsed / share) * (1 - share));
    const percent = `${Math.floor(share * 100)}%`;
    if (!this.#terminal) return `${counts}, ${percent}, ${left} left`;
    const width = 24;
    const full = Math.min(width, Math.round(share * width));
    const bar = `${this.#out.errStyle.cyan("█".repeat(full))}${"░".repeat(width - full)}`;
    return `${bar} ${percent.padStart(4)} ${counts}, ${left} left`;
  }
}
