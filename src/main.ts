import { isUtf8 } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { COMPLETE } from "./cli/command-host.js";
import { EXIT } from "./cli/exit-codes.js";
import type { Io } from "./cli/io.js";
import { StandardSink } from "./cli/standard-sink.js";
import { holdTerminal } from "./cli/terminal-hold.js";
import { systemClock } from "./clock.js";
import { run } from "./run.js";

const COMMAND_LINE = "/proc/self/cmdline";

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
  let readsInput = false;
  const argv = process.argv.slice(2);
  const cwd = workingDirectory();
  if (cwd === undefined) return refuse("the working directory is gone", "Change to a folder that is there.");
  if (isGarbled(argv)) {
    return refuse(
      "an argument is no UTF-8, so it can't be told what it names",
      "Give keys of other bytes as --key-base64.",
    );
  }
  const io: Io = {
    // Opened only by who asks for it: that costs a start some milliseconds.
    get stdin() {
      readsInput = true;
      return process.stdin;
    },
    stdout: new StandardSink(1, () => process.stdout),
    stderr: new StandardSink(2, () => process.stderr),
    env: process.env,
    cwd,
    clock: systemClock,
    signal: stop.signal,
    uid: process.getuid?.(),
    onHangup: (listener) => {
      process.on("SIGHUP", listener);
      return () => process.off("SIGHUP", listener);
    },
    onExit: (listener) => {
      process.on("exit", listener);
      return () => process.off("exit", listener);
    },
    holdTerminal,
  };
  const code = await run(argv, io);
  process.exitCode = code === EXIT.interrupted ? stopped : code;
  // A shell waits at the press of a key: what a store that is away still has open is not waited for.
  if (argv[0] === COMPLETE) process.exit();
  process.off("SIGINT", interrupt);
  process.off("SIGTERM", terminate);
  // An input that is still open, because not all of it was wanted, does not keep the process.
  if (readsInput && !process.stdin.isTTY) process.stdin.unref?.();
}

function refuse(message: string, hint: string): void {
  process.stderr.write(`error: ${message}\n  ${hint}\n`);
  process.exitCode = EXIT.usage;
}

/** Where a folder was deleted under a shell, its name is still right for what is looked up from it: nothing is there, or a new one is. */
function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return process.env.PWD;
  }
}

/** Node puts U+FFFD where an argument is no UTF-8, which would be another key than was meant. Only Linux shows the bytes. */
function isGarbled(argv: readonly string[]): boolean {
  if (!argv.some((argument) => argument.includes("\ufffd")) || !existsSync(COMMAND_LINE)) return false;
  return !isUtf8(readFileSync(COMMAND_LINE));
}
