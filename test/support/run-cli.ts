import { PassThrough, Readable, Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
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
  /** Its width; default 100. */
  columns?: number;
  /** stdin and stderr are a terminal, on which this is typed as soon as something is asked. */
  typed?: string;
  /** The reader of stdout goes away after this many writes, as `head` does. */
  closedAfter?: number;
}

class Collector extends Writable {
  readonly chunks: Buffer[] = [];
  isTTY = false;
  columns = 100;
  closedAfter = Number.POSITIVE_INFINITY;
  /** Called at each write that shows a prompt. */
  onPrompt: (() => void) | undefined;
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.chunks.length >= this.closedAfter) {
      done(Object.assign(new Error("EPIPE"), { code: "EPIPE" }));
      return;
    }
    this.chunks.push(Buffer.from(chunk));
    if (stripVTControlCharacters(chunk.toString()).startsWith("? ")) this.onPrompt?.();
    done();
  }
}

/** What a person types is heard only once the prompt is there. */
function typing(typed: string, terminal: Collector): Io["stdin"] {
  const input = new PassThrough();
  terminal.isTTY = true;
  terminal.onPrompt = () => {
    terminal.onPrompt = undefined;
    setImmediate(() => input.write(typed));
  };
  return Object.assign(input, { isTTY: true });
}

/** Runs a command line in this process. HOME is the working directory, so that nothing of the machine is read. */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<CliResult> {
  const stdout = new Collector();
  const stderr = new Collector();
  stdout.isTTY = options.terminal ?? false;
  stdout.columns = options.columns ?? stdout.columns;
  stdout.closedAfter = options.closedAfter ?? Number.POSITIVE_INFINITY;
  const { stdin = "", typed } = options;
  const input = stdin instanceof Readable ? stdin : new PassThrough().end(stdin);
  const io: Io = {
    stdin: typed === undefined ? input : typing(typed, stderr),
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
