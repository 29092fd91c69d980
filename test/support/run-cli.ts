import { PassThrough, Readable, Writable } from "node:stream";
import type { Io } from "../../src/cli/io.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { run } from "../../src/run.js";

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
  /** stdout as the bytes it is. */
  bytes: Buffer;
  /** stdout as JSON. */
  json: () => Record<string, unknown> & { error?: { code: string; message: string; hint?: string } };
  /** stdout as NDJSON. */
  lines: () => Record<string, unknown>[];
}

export interface CliOptions {
  cwd: string;
  stdin?: string | Buffer | Readable;
  env?: Record<string, string>;
  clock?: Clock;
  signal?: AbortSignal;
  /** stdout is a terminal: tables, indentation, escapes. */
  terminal?: boolean;
}

class Collector extends Writable {
  readonly chunks: Buffer[] = [];
  isTTY = false;
  columns = 100;
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    done();
  }
}

/** Runs a command line in this process. HOME is the working directory, so that nothing of the machine is read. */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<CliResult> {
  const stdout = new Collector();
  const stderr = new Collector();
  stdout.isTTY = options.terminal ?? false;
  const { stdin = "" } = options;
  const io: Io = {
    stdin: stdin instanceof Readable ? stdin : new PassThrough().end(stdin),
    stdout,
    stderr,
    env: { HOME: options.cwd, ...options.env },
    cwd: options.cwd,
    clock: options.clock ?? systemClock,
    signal: options.signal ?? new AbortController().signal,
    uid: process.getuid?.(),
  };
  const code = await run(argv, io);
  const bytes = Buffer.concat(stdout.chunks);
  const text = bytes.toString("utf8");
  return {
    code,
    bytes,
    stdout: text,
    stderr: Buffer.concat(stderr.chunks).toString("utf8"),
    json: () => JSON.parse(text),
    lines: () =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
  };
}
