import { type Change, type ChangeOp, scopeOf } from "../../changes.js";
import { keyFromBytes } from "../../key.js";
import { overlap, translate } from "../../namespace-scope.js";
import { filterOf, globPrefix, type Selector } from "../../selector.js";
import type { Names } from "./names.js";
import { pack, unpack } from "./pack.js";

/**
 * A change as one entry of the stream has it: the field tells what its text is.
 * `k`: op, origin, namespace, then keys. `f`: op, origin, namespace, the beginning of all keys meant, tag mode or "", the selector as JSON, then its tags. Nothing is noted of "".
 * Both are packed (pack.ts); keys and their beginning carry the namespace, so that a script can compare them whatever namespace it works for.
 */
export interface Note {
  field: "k" | "f" | "";
  text: Buffer;
}

/** Nothing for the log: whoever calls tells it. */
export const SILENT: Note = { field: "", text: Buffer.alloc(0) };

/** The field of an entry that begins a stream: what was before it is lost. */
export const BIRTH = "b";

/** Bytes of a text at most; what is longer is noted as everything. */
const MAX_TEXT_BYTES = 128 * 1024;

const OPS: Readonly<Record<string, ChangeOp>> = { w: "write", d: "delete", s: "soften" };

export function noteOf(names: Names, op: ChangeOp, selector: Selector, origin: string): Note {
  const note = encode(names, op, "keys" in selector ? scopeOf(selector.keys) : selector, origin);
  return note.text.length > MAX_TEXT_BYTES ? encode(names, op, { all: true }, origin) : note;
}

function encode(names: Names, op: ChangeOp, selector: Selector, origin: string): Note {
  const head = [op.charAt(0), origin, names.namespace];
  if ("keys" in selector) return { field: "k", text: pack([...head, ...selector.keys.map((key) => names.full(key))]) };
  const { prefix = "", match = "", tags = [], tagMode = "any" } = filterOf(selector);
  const literal = globPrefix(match);
  const start = names.full(literal.length > prefix.length ? literal : prefix);
  const mode = tags.length === 0 ? "" : tagMode;
  return { field: "f", text: pack([...head, start, mode, JSON.stringify(selector), ...tags]) };
}

/**
 * The change that an entry tells, in the words of this namespace; undefined where it concerns none of its keys. What can't be read means everything: the stream may
 * have been written to by anybody.
 */
export function changeOf(names: Names, field: string, text: Buffer): Change | undefined {
  const [op, origin, namespace, ...rest] = unpack(text) ?? [];
  const own = names.namespace;
  const change = (selector: Selector): Change => ({
    op: OPS[op?.toString() ?? ""] ?? "write",
    selector,
    origin: origin?.toString() ?? "",
  });
  if (namespace === undefined || (field !== "k" && field !== "f")) return change({ all: true });
  if (field === "k") {
    const bytes = Buffer.from(own);
    const keys = rest.filter((full) => full.subarray(0, bytes.length).equals(bytes)).map((full) => names.bare(full));
    return keys.length > 0 ? change({ keys }) : undefined;
  }
  const from = namespace.toString();
  if (!overlap(from, own)) return undefined;
  const selector = translate(untagged(parsed(rest[2]), from !== own), from, own);
  return selector && change(selector);
}

/** Tags belong to a namespace: what another calls by a tag may be here under none, or under others. */
function untagged(selector: Selector, foreign: boolean): Selector {
  if (!foreign || "keys" in selector || "all" in selector) return selector;
  const { tags, tagMode, ...others } = selector;
  return Object.keys(others).length > 0 ? others : { all: true };
}

function parsed(text: Buffer | undefined): Selector {
  try {
    const value: unknown = JSON.parse(keyFromBytes(text ?? Buffer.alloc(0)));
    if (typeof value === "object" && value !== null) return value as Selector;
  } catch {
    // Means everything.
  }
  return { all: true };
}
