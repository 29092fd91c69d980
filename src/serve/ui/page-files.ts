import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { codeOf } from "../../errors.js";
import type { Coding } from "../../http/content-coding.js";
import { packageFolder } from "../../package-folder.js";

/** A file of the page as it is sent. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** The same, coded when the page was built. */
  readonly coded: ReadonlyMap<Coding, Buffer>;
}

/** The files of the page by their names; none where it was not built. */
export type PageFiles = ReadonlyMap<string, PageFile>;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const CODINGS: readonly (readonly [ending: string, coding: Coding])[] = [
  [".br", "br"],
  [".gz", "gzip"],
];

/** Where scripts/build-page.js puts it. */
export function pageFolder(): string {
  return join(packageFolder(), "dist/page");
}

/** Reads all of it: it is small, and no request then names anything on the disk. */
export async function readPage(folder: string): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  for (const name of await namesIn(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const coded = new Map<Coding, Buffer>();
    for (const [ending, coding] of CODINGS) {
      const bytes = await readOr(join(folder, name + ending));
      if (bytes) coded.set(coding, bytes);
    }
    files.set(name, { type, bytes: await readFile(join(folder, name)), coded });
  }
  return files;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function readOr(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
