import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Backend } from "../../src/backends/backend.js";
import { systemClock } from "../../src/clock.js";

/** A running tier-reader.ts. */
export class TierReader {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  /** @param program the bundled tier-reader.ts */
  constructor(program: string, kind: string, target: string) {
    this.#child = spawn(process.execPath, [program, kind, target]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * The next answer that differs from the one before; when that was last given, in milliseconds of the monotonic clock; and for how many milliseconds of the time
   * in between the machine did not let the reader run.
   */
  async next(): Promise<{ answer: string; before: number; starved: number }> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the reader has ended");
    const [answer = "", before = "", starved = ""] = value.split(" ");
    return { answer, before: Number(before), starved: Number(starved) };
  }

  async until(answer: string): Promise<void> {
    while ((await this.next()).answer !== answer);
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** Ends it. @returns reads that its memory answered */
  async end(): Promise<number> {
    const gone = once(this.#child, "close");
    this.#child.stdin.end();
    for (let line = await this.#lines.next(); line.done !== true; line = await this.#lines.next()) {
      if (line.value.startsWith("hits ")) {
        await gone;
        return Number(line.value.slice(5));
      }
    }
    throw new Error("the reader has ended without its count");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Changes of the key `k` with the tag `t`, one after the other. */
const CHANGES: readonly ((writer: Backend) => unknown)[] = [
  (writer) => writer.deleteMany(["k"]),
  (writer) => writer.setMany([{ key: "k", value: Buffer.from("other") }]),
  (writer) => writer.deleteWhere({ tags: ["t"] }),
  (writer) => writer.deleteWhere({ prefix: "k" }),
  (writer) => writer.deleteWhere({ all: true }),
  (writer) => writer.atomic([{ delete: "k" }]),
];

/**
 * Changes a key over and over, each time when the reader has a copy of it.
 * @returns of each round, for how many milliseconds after the answer to the change the reader still gave the old value; 0 = not at all
 */
export async function latenesses(writer: Backend, reader: TierReader, rounds: number): Promise<number[]> {
  const late: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await writer.setMany([{ key: "k", value: Buffer.from(`${round}`), tags: ["t"] }]);
    await reader.until(`${round}`);
    // It has read the value once more, from its copy.
    await systemClock.sleep(5);
    await CHANGES[round % CHANGES.length]?.(writer);
    const answered = systemClock.monotonic();
    const { before, starved } = await reader.next();
    // A machine that lets a process wait is no fault of the tiers.
    late.push(Math.max(0, before - answered - starved));
  }
  return late;
}
