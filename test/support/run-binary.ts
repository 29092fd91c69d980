import { spawn } from "node:child_process";
import { join } from "node:path";
import { codeOf } from "../../src/errors.js";
import { tempDir } from "./temp-dir.js";

/** The command as a user starts it. */
export const BINARY = join(import.meta.dirname, "../../bin/cache.js");

export interface BinaryOptions {
  /** On top of a clean environment; undefined takes a variable away. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default: an empty folder, so that no config file of this machine is found. */
  cwd?: string;
  /** Written to standard input, which is then closed; default nothing. `open`: a pipe that never says anything nor ends. */
  stdin?: string | Uint8Array | { open: true };
  /** Milliseconds until it is killed and the run is an error; default 30,000. */
  timeoutMs?: number;
}

export interface BinaryResult {
  /** The exact bytes. */
  stdout: Buffer;
  stderr: string;
  /** The exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningBinary {
  readonly pid: number;
  /** What came so far. */
  stdout(): Buffer;
  stderr(): string;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when it has ended and both streams are closed. */
  readonly result: Promise<BinaryResult>;
}

/** Variables of a user who has configured nothing: a new home folder, a plain locale, no colour settings, no CACHE_*. */
function cleanEnvironment(home = tempDir("home")): Record<string, string> {
  return { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: home, LANG: "C.UTF-8", TZ: "UTC" };
}

/** The clean environment with variables on top; undefined takes one away. */
export function environmentWith(env: BinaryOptions["env"] = {}): Record<string, string> {
  const merged: Record<string, string> = cleanEnvironment(env.HOME);
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete merged[name];
    else merged[name] = value;
  }
  return merged;
}

/** Runs `cache` with arguments to its end; any exit code is a result, not an error. */
export function runBinary(args: readonly string[], options: BinaryOptions = {}): Promise<BinaryResult> {
  return startBinary(args, options).result;
}

/** Starts `cache` and leaves it running, to be watched or killed. */
export function startBinary(args: readonly string[], options: BinaryOptions = {}): RunningBinary {
  return startProgram(process.execPath, [BINARY, ...args], options);
}

/** Runs any other program to its end. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: BinaryOptions = {},
): Promise<BinaryResult> {
  return startProgram(program, args, options).result;
}

/**
 * Runs a script of bash in which `cache` is the binary: pipes, limits, and whatever else a shell does to a process. `"${CACHE[@]}"` is
 * the same as words, for `exec`.
 */
export function runShell(script: string, options: BinaryOptions = {}): Promise<BinaryResult> {
  return startShell(script, options).result;
}

/** As {@link runShell}, left running. */
export function startShell(script: string, options: BinaryOptions = {}): RunningBinary {
  return startProgram("bash", shellArguments(script), options);
}

/** What bash is started with to run a script in which `cache` is the binary. */
export function shellArguments(script: string): string[] {
  const words = `CACHE=(${[process.execPath, BINARY].map((word) => `'${word}'`).join(" ")}); cache() { "\${CACHE[@]}" "$@"; }`;
  return ["-c", `${words}\n${script}`];
}

function startProgram(program: string, args: readonly string[], options: BinaryOptions): RunningBinary {
  const { timeoutMs = 30_000 } = options;
  const child = spawn(program, [...args], {
    cwd: options.cwd ?? tempDir("cwd"),
    env: environmentWith(options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  // A command that reads no input may end before it is written: its exit code tells what it made of that.
  child.stdin.on("error", (error) => err.push(Buffer.from(codeOf(error) === "EPIPE" ? "" : `stdin: ${error}\n`)));
  const { stdin = "" } = options;
  if (typeof stdin === "string" || stdin instanceof Uint8Array) child.stdin.end(stdin);
  const stderr = () => Buffer.concat(err).toString();
  const result = new Promise<BinaryResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${args.join(" ")} did not end within ${timeoutMs} ms\n${stderr()}`));
    }, timeoutMs);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ stdout: Buffer.concat(out), stderr: stderr(), code, signal });
    });
  });
  return {
    pid: child.pid ?? 0,
    stdout: () => Buffer.concat(out),
    stderr,
    kill: (signal = "SIGKILL") => void child.kill(signal),
    result,
  };
}
