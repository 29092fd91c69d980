import { EXIT } from "./cli/exit-codes.js";
import type { Io } from "./cli/io.js";
import { systemClock } from "./clock.js";
import { run } from "./run.js";

/** The process around `run`: its streams, its environment, Ctrl-C and SIGTERM, and the exit code. */
export async function main(): Promise<void> {
  const stop = new AbortController();
  let stopped: number = EXIT.interrupted;
  const stopWith = (code: number) => () => {
    if (stop.signal.aborted) process.exit(code);
    stopped = code;
    stop.abort();
  };
  const interrupt = stopWith(EXIT.interrupted);
  const terminate = stopWith(EXIT.terminated);
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  // Failures of stdout are told where it is written; one that comes after the last write is a reader that has gone.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  let readsInput = false;
  const io: Io = {
    // Opened only by who asks for it: that costs a start some milliseconds.
    get stdin() {
      readsInput = true;
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
  const code = await run(process.argv.slice(2), io);
  process.exitCode = code === EXIT.interrupted ? stopped : code;
  process.off("SIGINT", interrupt);
  process.off("SIGTERM", terminate);
  // An input that is still open, because not all of it was wanted, does not keep the process.
  if (readsInput && !process.stdin.isTTY) process.stdin.unref?.();
}
