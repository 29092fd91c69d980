import { readFile, stat, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { abortedBy, CacheError, codeOf, messageOf } from "../errors.js";
import { keyFromBytes } from "../key.js";
import type { Input, Io } from "./io.js";
import { escapeLine } from "./render/value.js";

const taken = new WeakSet<Input>();

/**
 * Standard input, for the one reader that there can be: a second one would get nothing and take that for the value.
 * @throws CacheError `stdin-twice`
 */
export function takeStdin(io: Io): Input {
  if (taken.has(io.stdin)) {
    throw new CacheError("usage", "stdin-twice", "standard input is wanted twice, and can be read once", {
      hint: "Give one of the two in a file, or the password in CACHE_PASSWORD.",
    });
  }
  taken.add(io.stdin);
  return io.stdin;
}

/**
 * What comes from an input, which is closed when the signal is given: whoever types there, or the other end of a pipe, may say nothing for long.
 * @throws CacheError `aborted`
 */
export async function* piecesOf(input: Input, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = () => input.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of input) yield Buffer.from(piece);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  // Half of an input must not be taken for all of it.
  if (signal.aborted) throw abortedBy(signal);
}

/** All bytes of standard input. @throws CacheError `aborted` */
export async function readStdin(io: Io, signal: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of piecesOf(takeStdin(io), signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The exact bytes of a file, `-` for standard input. */
export async function readBytes(io: Io, path: string, signal: AbortSignal): Promise<Buffer> {
  if (path === "-") return readStdin(io, signal);
  const full = resolve(io.cwd, path);
  try {
    if ((await stat(full)).isDirectory()) throw unreadable(path, "it is a folder");
    return await readFile(full);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw unreadable(path, REASONS[codeOf(error) ?? ""] ?? String(codeOf(error)), error);
  }
}

/**
 * Writes a file that only its owner can read.
 * @throws CacheError `unwritable-file`
 */
export async function writeBytes(io: Io, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(resolve(io.cwd, path), bytes, { mode: 0o600 });
  } catch (error) {
    const full = /^(ENOSPC|EDQUOT|EFBIG)$/.test(codeOf(error) ?? "");
    const reason = REASONS[codeOf(error) ?? ""] ?? messageOf(error);
    throw new CacheError(full ? "store" : "usage", "unwritable-file", `${path} can't be written: ${reason}`, {
      cause: error,
      hint: full
        ? "Make space on its disk, or raise the limit of file sizes (ulimit -f)."
        : "Check its folder and its permissions.",
    });
  }
}

const REASONS: Record<string, string> = {
  ENOENT: "there is no such file or folder",
  EACCES: "no permission",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is no folder",
  ENOSPC: "its disk is full",
  EDQUOT: "this user's quota is used up",
  EFBIG: "it would be larger than a file may be here",
  ERR_FS_FILE_TOO_LARGE: "it is larger than 2 GiB",
};

function unreadable(path: string, reason: string, cause?: unknown): CacheError {
  return new CacheError("usage", "unreadable-file", `${path} can't be read: ${reason}`, {
    cause,
    hint: "Check the path and its permissions.",
  });
}

/** The lines of a list of keys, or its parts between NULs; bytes that are no UTF-8 stay what they are. */
export function splitKeys(bytes: Buffer, separator: "line" | "nul"): string[] {
  const text = keyFromBytes(bytes);
  const parts = separator === "nul" ? text.split("\0") : text.replace(/^\ufeff/, "").split(/\r?\n/);
  return parts.filter((part) => part !== "");
}

/** A password from standard input (its first line) or from a prompt that shows nothing of it. */
export async function readSecret(io: Io, from: "stdin" | "prompt", noInput: boolean, server: string): Promise<string> {
  if (from === "stdin") {
    const [password = ""] = (await readStdin(io, io.signal)).toString("utf8").split(/\r?\n/);
    if (password !== "") return password;
    throw new CacheError("usage", "password-file", "the password on standard input is empty", {
      hint: "Write it on the first line.",
    });
  }
  if (noInput || io.stdin.isTTY !== true) {
    throw new CacheError("refused", "no-terminal", "there is no terminal to ask for the password on", {
      hint: "Use --password-file, or CACHE_PASSWORD.",
    });
  }
  const { askSecret } = await import("./prompts.js");
  return askSecret(io, `Password for ${escapeLine(server)}:`);
}
