import { stripVTControlCharacters } from "node:util";
import { spawn } from "@lydell/node-pty";
import { BINARY, environmentWith } from "./run-binary.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

export interface PtyOptions {
  /** On top of a clean environment with TERM=xterm-256color; undefined takes a variable away. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default: an empty folder. */
  cwd?: string;
  /** Default 80 × 24. */
  columns?: number;
  rows?: number;
}

export interface Pty {
  readonly pid: number;
  /** Everything written to the terminal so far, with its control sequences. */
  raw(): string;
  /** The same without control sequences, lines ended by `\n`. */
  text(): string;
  /**
   * Waits for text that comes after what the last `waitFor` saw.
   * @returns the text without control sequences up to its end
   */
  waitFor(wanted: string | RegExp, timeoutMs?: number): Promise<string>;
  /** Types: see {@link KEYS} for what is no letter. */
  send(keys: string): void;
  resize(columns: number, rows: number): void;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when it has ended, with the exit code (128 + signal where one ended it, as a shell says it). */
  readonly exit: Promise<number>;
}

export const KEYS = {
  enter: "\r",
  escape: "\x1b",
  up: "\x1b[A",
  down: "\x1b[B",
  right: "\x1b[C",
  left: "\x1b[D",
  backspace: "\x7f",
  tab: "\t",
  ctrlC: "\x03",
  ctrlD: "\x04",
} as const;

/** Runs a command in a pseudo-terminal: for it standard input, output and error are a terminal. */
export function runInPty(command: string, args: readonly string[], options: PtyOptions = {}): Pty {
  const env = environmentWith({ TERM: "xterm-256color", ...options.env });
  const child = spawn(command, [...args], {
    // It becomes TERM, whatever the environment says.
    name: env.TERM ?? "",
    cols: options.columns ?? 80,
    rows: options.rows ?? 24,
    cwd: options.cwd ?? tempDir("cwd"),
    env,
  });
  let raw = "";
  let seen = 0;
  let ended = false;
  child.onData((data) => {
    raw += data;
  });
  const exit = new Promise<number>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      ended = true;
      resolve(signal ? 128 + signal : exitCode);
    });
  });
  const text = () => stripVTControlCharacters(raw).replaceAll("\r\n", "\n");

  function find(wanted: string | RegExp): string | undefined {
    const rest = text().slice(seen);
    const match = typeof wanted === "string" ? rest.indexOf(wanted) : rest.search(wanted);
    if (match < 0) return undefined;
    const length = typeof wanted === "string" ? wanted.length : (wanted.exec(rest)?.[0].length ?? 0);
    seen += match + length;
    return rest.slice(0, match + length);
  }

  return {
    pid: child.pid,
    raw: () => raw,
    text,
    async waitFor(wanted, timeoutMs = 10_000) {
      let found: string | undefined;
      await until(
        () => {
          found = find(wanted);
          return found !== undefined || ended;
        },
        { timeoutMs, what: `${wanted} in the terminal` },
      ).catch((error: unknown) => {
        throw new Error(`no ${wanted} in the terminal; it shows:\n${text()}`, { cause: error });
      });
      // What it wrote last may be read only after its end was heard of.
      found ??= find(wanted);
      if (found === undefined) throw new Error(`the command ended without ${wanted}; the terminal shows:\n${text()}`);
      return found;
    },
    send: (keys) => child.write(keys),
    resize: (columns, rows) => child.resize(columns, rows),
    kill: (signal = "SIGKILL") => {
      if (!ended) child.kill(signal);
    },
    exit,
  };
}

/** `cache` in a pseudo-terminal. */
export function runBinaryInPty(args: readonly string[], options: PtyOptions = {}): Pty {
  return runInPty(process.execPath, [BINARY, ...args], options);
}
