import { chmodSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CacheError, codeOf, messageOf } from "../errors.js";
import { makeFolder } from "../new-folder.js";
import { cacheFolder } from "./choose-store.js";
import type { FileSearch } from "./files.js";

type Environment = FileSearch["env"];

export interface RuntimeToken {
  path: string;
  /** Takes it away again, if it is still this one. */
  remove: () => void;
}

/**
 * Leaves the token of a server where other programs of the same user find it by the server's address: a file (0600) in a folder of the user's (0700), his runtime folder where he
 * has one.
 * @param url of the admin API, with an address as its host
 * @throws CacheError `runtime-file` where it can't be written, or the folder is another user's
 */
export function leaveRuntimeToken(url: string, token: string, env: Environment, uid: number | undefined): RuntimeToken {
  const folder = foldersOf(env)[0] ?? "";
  const path = join(folder, nameOf(new URL(url).hostname, new URL(url).port));
  try {
    makeFolder(folder);
    checkFolder(folder, uid);
    // A file that is there keeps its rights when it is written to: so a new one takes its place.
    const draft = `${path}.${process.pid}`;
    rmSync(draft, { force: true });
    writeFileSync(draft, `${token}\n`, { mode: 0o600, flag: "wx" });
    renameSync(draft, path);
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw unusable(`can't write ${path}: ${codeOf(error) ?? messageOf(error)}`);
  }
  const remove = () => {
    if (readToken(path, uid) === token) rmSync(path, { force: true });
  };
  return { path, remove };
}

/**
 * The token that a server of this user at a loopback address left for him; undefined where there is none.
 * @param url of the admin API: `http://127.0.0.1:4001`, `http://localhost:4001`
 */
export function runtimeToken(url: string, env: Environment, uid: number | undefined): string | undefined {
  const { protocol, hostname, port } = new URL(url);
  const hosts = hostname === "localhost" ? ["127.0.0.1", "[::1]"] : [hostname];
  const names = hosts.map((host) => nameOf(host, port || (protocol === "https:" ? "443" : "80")));
  for (const folder of foldersOf(env)) {
    for (const name of names) {
      const token = readToken(join(folder, name), uid);
      if (token !== undefined) return token;
    }
  }
  return undefined;
}

/** Who started the server may have had no runtime folder (a service), and who calls it one: so both are looked into. */
function foldersOf(env: Environment): string[] {
  return [...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, "cachectl")] : []), join(cacheFolder(env), "run")];
}

/** `admin-127.0.0.1-4001.token`; the colons of IPv6 are no characters for a file everywhere. */
function nameOf(host: string, port: string): string {
  return `admin-${host.replace(/[[\]]/g, "").replaceAll(":", "_")}-${port}.token`;
}

/** @throws CacheError `runtime-file` */
function checkFolder(folder: string, uid: number | undefined): void {
  const seen = lstatSync(folder);
  if (!seen.isDirectory() || (uid !== undefined && seen.uid !== uid)) {
    throw unusable(`${folder} is not a folder of yours`);
  }
  if (process.platform !== "win32" && (seen.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** What another user put there is no token of ours. */
function readToken(path: string, uid: number | undefined): string | undefined {
  try {
    const seen = lstatSync(path);
    if (!seen.isFile() || (uid !== undefined && seen.uid !== uid)) return undefined;
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw unusable(`can't read ${path}: ${codeOf(error) ?? messageOf(error)}`);
  }
}

function unusable(what: string): CacheError {
  return new CacheError("usage", "runtime-file", `the token of the admin API: ${what}`, {
    hint: "Use a file of tokens instead: --admin-tokens FILE.",
  });
}
