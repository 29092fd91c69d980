import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { CacheError, codeOf, messageOf } from "../errors.js";
import { decompress } from "./decompress.js";
import { openUrl } from "./open-url.js";
import { discard, isUrl, kindOf, type OpenOptions, type Source } from "./source.js";

/** Large reads cost little memory and halve the time of small ones. */
const READ_BYTES = 256 * 1024;

/** How much of a file's beginning tells it from another of the same size and time. */
const HEAD_BYTES = 64 * 1024;

/**
 * Opens a file, `-` or an http(s) URL.
 * @throws CacheError of kind `usage`: `source-not-found`, `source-is-a-directory`, `source-not-readable`,
 * `no-standard-input`; for URLs also `source-unreachable`, `source-timeout`, `source-refused`
 */
export async function openSource(location: string, options: OpenOptions = {}): Promise<Source> {
  if (location === "-") return openStream(options.stdin);
  if (isUrl(location)) return openUrl(location, options);
  return openFile(location);
}

function openStream(stdin: AsyncIterable<Uint8Array> | undefined): Source {
  if (stdin === undefined) {
    throw new CacheError("usage", "no-standard-input", "there is no standard input to read", {
      hint: "Name a file or a URL.",
    });
  }
  let bytes = 0;
  async function* read(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.length;
      yield chunk;
    }
  }
  return {
    name: "standard input",
    format: undefined,
    totalBytes: undefined,
    bytesRead: () => bytes,
    identity: undefined,
    read: (from) => discard(read(stdin), from),
    close: async () => {},
  };
}

async function openFile(path: string): Promise<Source> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw fileError(path, { code: "EISDIR" });
    const regular = stat.isFile();
    const { format, compression } = kindOf(path);
    const seekable = regular && compression === undefined;
    let bytes = 0;
    async function* raw(start: number): AsyncGenerator<Uint8Array> {
      bytes = start;
      try {
        const stream = handle.createReadStream({ highWaterMark: READ_BYTES, ...(regular && { start }) });
        for await (const chunk of stream) {
          bytes += chunk.length;
          yield chunk;
        }
      } catch (error) {
        throw fileError(path, error);
      }
    }
    return {
      name: path,
      format,
      totalBytes: regular ? stat.size : undefined,
      bytesRead: () => bytes,
      identity: regular ? `${stat.size}:${stat.mtimeMs}:${await hashHead(handle)}` : undefined,
      read: (from) => {
        if (seekable) return raw(from);
        return discard(compression === undefined ? raw(0) : decompress(raw(0), compression, path), from);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error instanceof CacheError ? error : fileError(path, error);
  }
}

async function hashHead(handle: FileHandle): Promise<string> {
  const head = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
  return createHash("sha256").update(head.subarray(0, bytesRead)).digest("hex");
}

function fileError(path: string, error: unknown): CacheError {
  const code = codeOf(error);
  if (code === "ENOENT") {
    return new CacheError("usage", "source-not-found", `there is no file ${path}`, {
      cause: error,
      hint: "Check the path.",
    });
  }
  if (code === "EISDIR") {
    return new CacheError("usage", "source-is-a-directory", `${path} is a directory`, { hint: "Name a file in it." });
  }
  const reason = code === "EACCES" ? "permission denied" : messageOf(error);
  return new CacheError("usage", "source-not-readable", `${path} can't be read: ${reason}`, {
    cause: error,
    hint: "Check that the file and its folder can be read.",
  });
}
