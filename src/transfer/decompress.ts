import { pipeline, Readable, Transform } from "node:stream";
import * as zlib from "node:zlib";
import { CacheError, messageOf } from "../errors.js";

export type Compression = "gzip" | "brotli" | "zstd";

const EXTENSIONS: Readonly<Record<string, Compression>> = { ".gz": "gzip", ".br": "brotli", ".zst": "zstd" };

/** The compression that a file name tells, and the name without that ending. */
export function compressionOf(path: string): { compression: Compression | undefined; inner: string } {
  const dot = path.lastIndexOf(".");
  const compression = dot < 0 ? undefined : EXTENSIONS[path.slice(dot).toLowerCase()];
  return { compression, inner: compression === undefined ? path : path.slice(0, dot) };
}

/**
 * The bytes that a compressed source holds, as they come.
 * @throws CacheError `invalid-compression` for data that is damaged, cut off or of another kind, `zstd-unavailable`
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  name: string,
): AsyncGenerator<Uint8Array> {
  const decoder = decoderOf(compression, name);
  const input = Readable.from(source, { objectMode: true, highWaterMark: 1 });
  let failure: unknown;
  pipeline(input, decoder, (error) => {
    failure = error;
  });
  try {
    for await (const chunk of decoder) yield chunk;
  } catch (error) {
    const reason = failure ?? error;
    if (reason instanceof CacheError) throw reason;
    throw new CacheError(
      "usage",
      "invalid-compression",
      `${name} can't be decompressed as ${compression}: ${messageOf(reason)}`,
      {
        cause: reason,
        hint: "The file is damaged, cut off, or named as what it is not.",
      },
    );
  } finally {
    input.destroy();
  }
}

const CHUNK = { chunkSize: 256 * 1024 };

function decoderOf(compression: Compression, name: string): Transform {
  if (compression === "gzip") return zlib.createGunzip(CHUNK);
  if (compression === "brotli") return zlib.createBrotliDecompress(CHUNK);
  // Not every Node that this runs on has it, so neither have the types.
  const create: unknown = Reflect.get(zlib, "createZstdDecompress");
  const decoder: unknown = typeof create === "function" ? Reflect.apply(create, zlib, [CHUNK]) : undefined;
  if (decoder instanceof Transform) return decoder;
  throw new CacheError("usage", "zstd-unavailable", `${name} is compressed with zstd, which this Node can't read`, {
    hint: "Use Node 22.15 or later, or unpack it first: zstd -d.",
  });
}
