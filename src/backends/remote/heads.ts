import { errorFromWire } from "../../api/errors.js";
import type { Change } from "../../changes.js";
import { checkSelector, type Selector } from "../../selector.js";
import type { Capabilities, EntryInfo, Head, Lease, Stored, UnreadableEntry } from "../backend.js";
import { Answer, invalid } from "./answers.js";
import type { Names } from "./names.js";

const TIMES = ["expiresAt", "staleAt", "createdAt"] as const;

function known(answer: Answer): Omit<EntryInfo, "key" | "type"> {
  const info: Omit<EntryInfo, "key" | "type"> = {};
  for (const name of TIMES) if (answer.has(name)) info[name] = answer.number(name);
  if (answer.has("tags")) info.tags = answer.texts("tags");
  if (answer.has("meta")) info.meta = answer.bytes("meta");
  if (answer.has("version")) info.version = answer.text("version");
  if (answer.has("size")) info.size = answer.number("size");
  return info;
}

export function headOf(answer: Answer): Head {
  return { ...known(answer), size: answer.number("size") };
}

/** Undefined for `null`, which is a miss. */
export function storedOf(answer: unknown): Stored | undefined {
  if (answer === null) return undefined;
  const entry = new Answer(answer);
  return { ...headOf(entry), value: entry.bytes("value") };
}

export function infoOf(answer: unknown, names: Names): EntryInfo {
  const entry = new Answer(answer);
  const type = entry.has("type") && { type: entry.text("type") };
  return { ...known(entry), ...type, key: names.bare(entry.text("key")) };
}

export function leaseOf(answer: Answer, key: string): Lease {
  const over = answer.has("over") && { over: answer.text("over") };
  return { key, token: answer.text("token"), since: answer.text("since"), ...over };
}

/** What the store of a server can do, for one who is not its process. */
export function capabilitiesOf(answer: Answer, namespace: string): Capabilities {
  const flag = (name: keyof Capabilities) => answer.has(name) && answer.flag(name);
  return {
    // The server lives on when we end, and others reach it too.
    persistent: true,
    shared: true,
    repeatsInScan: flag("repeatsInScan"),
    keepsExpired: flag("keepsExpired"),
    knowsAge: flag("knowsAge"),
    // It counts for the whole of what it serves.
    counts: flag("counts") && namespace === "",
  };
}

const OUTCOMES = ["stored", "condition", "rejected", "other-type"] as const;

export function outcomeOf(answer: unknown): (typeof OUTCOMES)[number] {
  const outcome = OUTCOMES.find((one) => one === answer);
  if (outcome === undefined) throw invalid("an outcome that there is not");
  return outcome;
}

const OPS = ["write", "delete", "soften"] as const;

/** None where it can hold nothing of this namespace. */
export function changeOf(answer: unknown, names: Names): Change[] {
  const change = new Answer(answer);
  const op = OPS.find((one) => one === change.text("op"));
  const heard = selectorOf(change.part("selector"));
  // What can't be understood may be about anything.
  const selector = heard === undefined ? { all: true as const } : names.heard(heard);
  return selector === undefined ? [] : [{ op: op ?? "write", selector, origin: change.text("origin") }];
}

function selectorOf({ fields }: Answer): Selector | undefined {
  const selector = fields as Selector;
  try {
    checkSelector(selector);
    return selector;
  } catch {
    return undefined;
  }
}

export function unreadableOf(answer: unknown, names: Names): UnreadableEntry {
  const entry = new Answer(answer);
  const error = entry.has("error") ? errorFromWire(answer) : undefined;
  return {
    key: names.bare(entry.text("key")),
    version: entry.has("version") ? entry.text("version") : undefined,
    ...(error && { error }),
  };
}
