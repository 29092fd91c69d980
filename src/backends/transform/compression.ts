import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { CacheError, codeOf } from "../../errors.js";
import type { Algorithm } from "./header.js";

export interface CompressionOptions {
  algorithm: Algorithm;
  /** Bytes that a value must have; default 512. */
  threshold?: number;
  /** gzip 1 to 9 (default 6), Brotli 0 to 11 (default 4), Zstandard 1 to 22 (default 3). */
  level?: number;
}

const DEFAULT_THRESHOLD = 512;
/** Larger values are compressed and decompressed in the thread pool: here they would hold up everything else for milliseconds. */
const SYNC_BYTES = 64 * 1024;
/** The same for levels above the default, which take up to a hundred times as long. */
const SYNC_BYTES_THOROUGH = 2 * 1024;

const LEVELS: Readonly<Record<Algorithm, { least: number; most: number; usual: number }>> = {
  gzip: { least: 1, most: 9, usual: 6 },
  brotli: { least: 0, most: 11, usual: 4 },
  zstd: { least: 1, most: 22, usual: 3 },
};

type OneShot = (bytes: Uint8Array, options: object, done: (error: Error | null, result: Buffer) => void) => void;

/** What `node:zlib` has of Zstandard from Node 22.15 and 23.8 on, and its types here don't know. */
interface ZstdLibrary {
  zstdCompressSync(bytes: Uint8Array, options: object): Buffer;
  zstdCompress: OneShot;
  zstdDecompressSync(bytes: Uint8Array, options: object): Buffer;
  zstdDecompress: OneShot;
  createZstdDecompress(options: object): Transform;
}

/** ZSTD_c_compressionLevel of zstd.h. */
const ZSTD_LEVEL = 100;

function hasZstd(library: object): library is ZstdLibrary {
  return "zstdCompressSync" in library && "createZstdDecompress" in library;
}

/** One algorithm, each thing at once or in the thread pool. */
interface Codec {
  compressSync(bytes: Uint8Array, level: number): Buffer;
  compress(bytes: Uint8Array, level: number): Promise<Buffer>;
  decompressSync(bytes: Uint8Array, most: number): Buffer;
  decompress(bytes: Uint8Array, most: number): Promise<Buffer>;
  decompressor(): Transform;
}

function promised(run: OneShot, bytes: Uint8Array, options: object): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    run(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

const brotliLevel = (bytes: Uint8Array, level: number) => ({
  params: {
    [zlib.constants.BROTLI_PARAM_QUALITY]: level,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  },
});
/** A limit of 0 is none to zlib; an empty value has one byte too many there. */
const limit = (most: number) => ({ maxOutputLength: Math.max(1, most) });
const STREAM_OPTIONS = { chunkSize: 64 * 1024 };

/**
 * A window that a small value fits into, and tables and a buffer of its size: zlib would make and clear 270 KB for each value otherwise.
 * What comes out has the same length.
 */
function gzipFor(bytes: Uint8Array, level: number): zlib.ZlibOptions {
  const bits = Math.ceil(Math.log2(bytes.length + 1));
  if (bits >= zlib.constants.Z_MAX_WINDOWBITS) return { level };
  const windowBits = Math.max(9, bits);
  return { level, windowBits, memLevel: windowBits - 7, chunkSize: bytes.length + GZIP_OVERHEAD };
}

/** Bytes that gzip has beside the content, which may have become a little longer. */
const GZIP_OVERHEAD = 64;

const GZIP: Codec = {
  compressSync: (bytes, level) => zlib.gzipSync(bytes, gzipFor(bytes, level)),
  compress: (bytes, level) => promised(zlib.gzip, bytes, { level }),
  decompressSync: (bytes, most) => zlib.gunzipSync(bytes, limit(most)),
  decompress: (bytes, most) => promised(zlib.gunzip, bytes, limit(most)),
  decompressor: () => zlib.createGunzip(STREAM_OPTIONS),
};

const BROTLI: Codec = {
  compressSync: (bytes, level) => zlib.brotliCompressSync(bytes, brotliLevel(bytes, level)),
  compress: (bytes, level) => promised(zlib.brotliCompress, bytes, brotliLevel(bytes, level)),
  decompressSync: (bytes, most) => zlib.brotliDecompressSync(bytes, limit(most)),
  decompress: (bytes, most) => promised(zlib.brotliDecompress, bytes, limit(most)),
  decompressor: () => zlib.createBrotliDecompress(STREAM_OPTIONS),
};

function zstdCodec(library: ZstdLibrary): Codec {
  const withLevel = (level: number) => ({ params: { [ZSTD_LEVEL]: level } });
  return {
    compressSync: (bytes, level) => library.zstdCompressSync(bytes, withLevel(level)),
    compress: (bytes, level) => promised(library.zstdCompress, bytes, withLevel(level)),
    decompressSync: (bytes, most) => library.zstdDecompressSync(bytes, limit(most)),
    decompress: (bytes, most) => promised(library.zstdDecompress, bytes, limit(most)),
    decompressor: () => library.createZstdDecompress(STREAM_OPTIONS),
  };
}

function codecOf(algorithm: Algorithm): Codec | undefined {
  if (algorithm === "gzip") return GZIP;
  if (algorithm === "brotli") return BROTLI;
  return hasZstd(zlib) ? zstdCodec(zlib) : undefined;
}

/** @throws CacheError `zstd-unavailable`: this Node can't read what another one wrote */
function readingCodec(algorithm: Algorithm, key: string): Codec {
  const codec = codecOf(algorithm);
  if (codec) return codec;
  throw new CacheError("serialization", "zstd-unavailable", "the value is compressed with Zstandard", {
    key,
    hint: "Read it with Node.js 22.15 or later, or write the entry again.",
  });
}

/** Compresses what is to be stored, where that is worth it. */
export class Compressor {
  readonly algorithm: Algorithm;
  readonly #codec: Codec;
  readonly #threshold: number;
  readonly #level: number;
  readonly #syncBytes: number;

  /** @throws CacheError `invalid-compression`, `zstd-unavailable`, both of kind `usage` */
  constructor({ algorithm, threshold = DEFAULT_THRESHOLD, level }: CompressionOptions) {
    if (!Object.hasOwn(LEVELS, algorithm)) {
      throw invalid(`there is no compression "${algorithm}"`, "Use brotli, gzip or zstd.");
    }
    const { least, most, usual } = LEVELS[algorithm];
    if (!Number.isInteger(threshold) || threshold < 0) {
      throw invalid(`the compression threshold can't be ${threshold}`, "Give it in whole bytes, 0 or more.");
    }
    if (level !== undefined && !(Number.isInteger(level) && level >= least && level <= most)) {
      throw invalid(`${algorithm} has no level ${level}`, `Its levels are ${least} to ${most}.`);
    }
    const codec = codecOf(algorithm);
    if (!codec) {
      throw new CacheError("usage", "zstd-unavailable", "this Node.js has no Zstandard", {
        hint: "Use Node.js 22.15 or later, or brotli or gzip.",
      });
    }
    this.algorithm = algorithm;
    this.#codec = codec;
    this.#threshold = threshold;
    this.#level = level ?? usual;
    this.#syncBytes = this.#level > usual ? SYNC_BYTES_THOROUGH : SYNC_BYTES;
  }

  /** The compressed bytes, at once for a small value; undefined where the value is below the threshold. They may be longer than the value. */
  compress(value: Uint8Array): Buffer | Promise<Buffer> | undefined {
    if (value.length < this.#threshold || value.length === 0) return undefined;
    if (value.length <= this.#syncBytes) return this.#codec.compressSync(value, this.#level);
    return this.#codec.compress(value, this.#level);
  }
}

/**
 * The value of compressed bytes, at once for a small one. It fails with the error of zlib where they are damaged or hold more than `size`.
 * @param size bytes that the value is said to have: no more are ever made
 * @throws CacheError `zstd-unavailable`
 */
export function decompress(
  algorithm: Algorithm,
  bytes: Uint8Array,
  size: number,
  key: string,
): Buffer | Promise<Buffer> {
  const codec = readingCodec(algorithm, key);
  return Math.max(size, bytes.length) <= SYNC_BYTES ? codec.decompressSync(bytes, size) : codec.decompress(bytes, size);
}

/** As {@link decompress}, always at once. */
export function decompressSync(algorithm: Algorithm, bytes: Uint8Array, size: number, key: string): Buffer {
  return readingCodec(algorithm, key).decompressSync(bytes, size);
}

/** A stream from compressed to original bytes. @throws CacheError `zstd-unavailable` */
export function decompressor(algorithm: Algorithm, key: string): Transform {
  return readingCodec(algorithm, key).decompressor();
}

/** True for what zlib says of bytes that it can't decompress, or that hold more than they may. */
export function isDamage(error: unknown): boolean {
  return !(error instanceof CacheError) && codeOf(error) !== undefined;
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-compression", message, { hint });
}
