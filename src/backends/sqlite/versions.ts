import { hash } from "node:crypto";
import type { Link } from "./link.js";

/** The id names one write of one key. A new meta comes without one, so that its digest is part of the version. */
export function versionOf(id: number, meta: Uint8Array | null | undefined): string {
  return meta === null || meta === undefined ? String(id) : `${id}.${hash("sha1", meta, "base64url")}`;
}

/** Of an entry that is there. */
export function currentVersion(link: Link, id: number): string {
  return versionOf(id, link.column<Uint8Array>("SELECT meta FROM metas WHERE id = ?").get(id));
}
