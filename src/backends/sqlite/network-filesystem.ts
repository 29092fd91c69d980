import { statfsSync } from "node:fs";
import { CacheError } from "../../errors.js";

/** `f_type` of Linux's statfs(2), as in `linux/magic.h`. */
const NETWORK_FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
]);

/** The name of a file system on another machine, by its type; undefined for a local one. */
export function networkFilesystem(type: number): string | undefined {
  return NETWORK_FILESYSTEMS.get(type >>> 0);
}

/**
 * Refuses a folder on a network: the write-ahead log is kept together by memory that processes share, which machines don't.
 * @throws CacheError `network-filesystem`
 */
export function checkLocal(folder: string, typeOf = (path: string) => statfsSync(path).type): void {
  const name = networkFilesystem(typeOf(folder));
  if (name === undefined) return;
  throw new CacheError(
    "usage",
    "network-filesystem",
    `${folder} is on a network (${name}), where SQLite's write-ahead log would lose data`,
    { hint: "Put the store on a local disk, or use Redis for what machines share." },
  );
}
