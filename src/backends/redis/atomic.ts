import { CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { AtomicStep, WriteCall } from "../backend.js";
import { wrap } from "../envelope.js";
import { ATOMIC } from "./lease-scripts.js";
import type { Log } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import { Packer } from "./pack.js";
import { asInteger } from "./reply.js";
import { type ScriptCall, scriptsNeeded } from "./scripts.js";
import { memberKey, newSidecar, readSidecar } from "./sidecar.js";
import { slotOf } from "./slots.js";
import { baseOf, relativeDeadline, type Store, ttlOf } from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";
import { MAX_VALUE_BYTES } from "./write.js";
import { isTagged } from "./write-singly.js";

const keyOf = (step: AtomicStep) => ("set" in step ? step.set.key : step.delete);

/** Several sets and deletes in one script; see `Batching`. */
export async function atomic(
  store: Store,
  log: Log,
  steps: readonly AtomicStep[],
  { origin }: WriteCall,
): Promise<void> {
  store.connection.checkOpen();
  for (const step of steps) if ("set" in step) checkKey(step.set.key);
  if (steps.length === 0) return;
  const keys = steps.map(keyOf);
  if (store.connection.clustered && new Set(keys.map((key) => slotOf(store.names.full(key)))).size > 1) {
    throw new CacheError("usage", "cross-slot", "the keys of the batch lie on different parts of the cluster", {
      hint: "Give them a hash tag in common, such as {user:1}:name and {user:1}:mail.",
    });
  }
  const ready = steps.map((step) => readyOf(store, step));
  const packed = packSteps(store, ready);
  const op = steps.some((step) => "set" in step) ? "write" : "delete";
  const note = log.note(op, { keys }, origin);
  const work = (told: Note) => run(store, ready, packed, told);
  const blocking = store.connection.clustered ? await log.around(note, () => work(SILENT)) : await work(note);
  if (!blocking) return;
  throw new CacheError("store", "other-type", "one of the keys holds another Redis type than a string", {
    key: blocking.key,
    hint: "Use another key, or remove this one by naming its type.",
  });
}

/** A step as it goes out. */
interface Ready extends Tagged {
  /** Undefined for a deletion. */
  stored: Uint8Array | undefined;
  deadline: string;
  sidecarText: string;
  stay: boolean;
}

function readyOf({ clock }: Store, step: AtomicStep): Ready {
  const now = clock.now();
  const key = keyOf(step);
  if (!("set" in step)) {
    return { key, stored: undefined, deadline: "", sidecarText: "", stay: false, sidecar: undefined, ttl: 0 };
  }
  const { tags = [], expiresAt, keepDeadline = false } = step.set;
  const stored = wrap(step.set);
  const deadline = relativeDeadline(expiresAt, now);
  const sidecarText = isTagged(step.set) ? newSidecar(tags, stored, now) : "";
  const sidecar = readSidecar(Buffer.from(sidecarText));
  return { key, stored, deadline, sidecarText, stay: keepDeadline, sidecar, ttl: keepDeadline ? -1 : ttlOf(deadline) };
}

/** @returns the step that another type is in the way of, with nothing done */
async function run(store: Store, steps: readonly Ready[], packed: Buffer, note: Note): Promise<Ready | undefined> {
  const { names, scripts } = store;
  const [route = "", ...others] = new Set(steps.map(({ key }) => names.full(key)));
  const beside = [...others, ...new Set(steps.map(({ key }) => names.sidecar(key)))];
  const call: ScriptCall = { route, beside, args: [packed, baseOf(store), note.field, note.text] };
  let blocked = 0;
  const work = async () => {
    const replies = await scripts.runAll(ATOMIC, [call]);
    if (replies === undefined) return undefined;
    blocked = asInteger(replies[0]);
    return (blocked === 0 ? DONE : "-").repeat(steps.length);
  };
  const letters = await aroundIndexes(store, steps, (step) => step, DONE, work);
  if (letters === undefined) throw scriptsNeeded("doing several things as one");
  return steps[blocked - 1];
}

const DONE = "1";

/** @throws CacheError `value-too-large` */
function packSteps({ names }: Store, steps: readonly Ready[]): Buffer {
  const packer = new Packer(steps.length * 256);
  for (const { key, stored, deadline, sidecarText, stay } of steps) {
    packer.add(stored ? "s" : "d");
    packer.add(names.full(key));
    packer.add(stored ?? "");
    packer.add(deadline);
    packer.add(memberKey(key));
    packer.add(names.sidecar(key));
    packer.add(sidecarText);
    packer.add(stay ? "1" : "");
    if (packer.bytes <= MAX_VALUE_BYTES) continue;
    throw new CacheError("usage", "value-too-large", "the batch holds more than Redis takes at once", {
      key,
      hint: "Write the large values by themselves.",
    });
  }
  return packer.finish();
}
