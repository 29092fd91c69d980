import { hash, randomBytes } from "node:crypto";
import { keyFromBytes, keyToBytes } from "../../key.js";

/** What is kept beside a tagged entry, as JSON in a key of its own. */
export interface Sidecar {
  /** Write id: new with every write, part of the members in the tag indexes. */
  i: string;
  /** Tags. */
  t: string[];
  /** Created at, epoch milliseconds. */
  c: number;
  /** SHA-1 of the stored bytes, in hex: a value that somebody else wrote since is not what was tagged. */
  d: string;
}

const PROCESS = randomBytes(9).toString("base64url");
let writes = 0;

/** The text of a new sidecar. */
export function newSidecar(tags: readonly string[], stored: Uint8Array, now: number): string {
  writes += 1;
  const sidecar: Sidecar = {
    i: `${PROCESS}.${writes.toString(36)}`,
    t: [...new Set(tags)],
    c: now,
    d: digestOf(stored),
  };
  return JSON.stringify(sidecar);
}

/** Undefined for anything that is no sidecar. */
export function readSidecar(text: Buffer | undefined): Sidecar | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text.toString());
  } catch {
    return undefined;
  }
  return isSidecar(value) ? value : undefined;
}

function isSidecar(value: unknown): value is Sidecar {
  if (typeof value !== "object" || value === null) return false;
  if (!("i" in value && "t" in value && "c" in value && "d" in value)) return false;
  const { i, t, c, d } = value;
  return (
    typeof i === "string" &&
    Array.isArray(t) &&
    t.every((tag) => typeof tag === "string") &&
    typeof c === "number" &&
    typeof d === "string"
  );
}

/** SHA-1, in hex. It tells a change from none; no secrecy rests on it. */
export function digestOf(bytes: Uint8Array | string): string {
  return hash("sha1", bytes, "hex");
}

/** A member of a tag index: `writeId:key`, the key without its namespace. */
export interface Member {
  id: string;
  key: string;
}

export function readMember(member: Buffer): Member {
  const colon = member.indexOf(0x3a);
  return { id: member.toString("latin1", 0, colon), key: keyFromBytes(member.subarray(colon + 1)) };
}

/** The key as part of a member. */
export function memberKey(key: string): string | Buffer {
  return key.isWellFormed() ? key : keyToBytes(key);
}
