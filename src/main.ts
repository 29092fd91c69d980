import { EXIT } from "./cli/exit-codes.js";
import type { Io } from "./cli/io.js";
import { systemClock } from "./clock.js";
import { run } from "./run.js";

/** The process around `run`: its streams, its environment, Ctrl-C, and the exit code. */
export async function main(): Promise<void> {
  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", () => process.exit(143));
  // Failures of stdout are told where it is written; one that comes after the last write is a reader that has gone.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  const io: Io = {
    // Opened only by who reads it: that costs a start some milliseconds.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    clock: systemClock,
    signal: stop.signal,
    uid: process.getuid?.(),
  };
  process.exitCode = await run(process.argv.slice(2), io);
  process.off("SIGINT", interrupt);
  if (!process.stdin.isTTY) process.stdin.unref?.();
}
