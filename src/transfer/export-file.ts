import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { Selector } from "../selector.js";
import { type ExportOptions, type ExportReport, ExportRun, type ExportSource } from "./export.js";
import { kindOf } from "./source.js";

export interface ExportFileOptions extends ExportOptions {
  /** Replace a file that is there. Default true. */
  overwrite?: boolean;
}

/**
 * Exports into a file of mode 0600, compressed if its name ends in `.gz` or `.br`. The file appears, or is replaced, when
 * it is complete: after a failure or an interruption it is as it was. Pipes and devices are written to directly.
 * @throws CacheError `export-file-exists`, `export-file-not-written`, `zstd-unavailable`
 */
export async function exportToFile(
  cache: ExportSource,
  selector: Selector,
  path: string,
  options: ExportFileOptions = {},
): Promise<ExportReport> {
  const run = new ExportRun(cache, selector, options);
  const compressor = compressorOf(path);
  const direct = await isSpecial(path, options.overwrite ?? true);
  const draft = direct ? path : `${path}.${randomUUID()}.tmp`;
  let file: FileHandle;
  try {
    file = await open(draft, direct ? "w" : "wx", 0o600);
  } catch (error) {
    throw notWritten(path, error);
  }
  try {
    const lines = Readable.from(run.lines(), { objectMode: true, highWaterMark: 1 });
    const out = file.createWriteStream();
    await (compressor === undefined ? pipeline(lines, out) : pipeline(lines, compressor, out));
    if (direct) return run.report;
    if (run.report.interrupted) await rm(draft, { force: true });
    else await rename(draft, path);
    return run.report;
  } catch (error) {
    if (!direct) await rm(draft, { force: true });
    throw error instanceof CacheError ? error : notWritten(path, error);
  }
}

function compressorOf(path: string) {
  const { compression } = kindOf(path);
  if (compression === "gzip") return zlib.createGzip();
  if (compression === "brotli")
    return zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
  if (compression === undefined) return undefined;
  throw new CacheError(
    "usage",
    "zstd-unavailable",
    `${path} would have to be compressed with zstd, which is not built in`,
    {
      hint: "Name it .ndjson, .ndjson.gz or .ndjson.br.",
    },
  );
}

/** True for what can only be written in place, such as a pipe or a terminal. */
async function isSpecial(path: string, overwrite: boolean): Promise<boolean> {
  try {
    const there = await stat(path);
    if (there.isDirectory()) throw notWritten(path, new Error("it is a directory"));
    if (!there.isFile()) return true;
    if (overwrite) return false;
    throw new CacheError("usage", "export-file-exists", `${path} exists already`, {
      hint: "Name another file, or remove it first.",
    });
  } catch (error) {
    if (error instanceof CacheError) throw error;
    if (codeOf(error) === "ENOENT") return false;
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): CacheError {
  const kind = /^(ENOSPC|EDQUOT|EFBIG)$/.test(codeOf(error) ?? "") ? "store" : "usage";
  return new CacheError(kind, "export-file-not-written", `${path} can't be written: ${messageOf(error)}`, {
    cause: error,
    hint: "Check its folder, its permissions and the space on the disk.",
  });
}
