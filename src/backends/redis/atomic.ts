import { CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { AtomicStep, WriteCall } from "../backend.js";
import { wrap } from "../envelope.js";
import { ATOMIC } from "./lease-scripts.js";
import type { Log } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import { Packer } from "./pack.js";
import { asInteger } from "./reply.js";
import { scriptsNeeded } from "./scripts.js";
import { memberKey, newSidecar } from "./sidecar.js";
import { baseOf, group, relativeDeadline, type Store } from "./store.js";
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
  if (group(store, keys, (key) => store.names.full(key)).length > 1) {
    throw new CacheError("usage", "cross-slot", "the keys of the batch lie on different parts of the cluster", {
      hint: "Give them a hash tag in common, such as {user:1}:name and {user:1}:mail.",
    });
  }
  const packed = packSteps(store, steps);
  const op = steps.some((step) => "set" in step) ? "write" : "delete";
  const note = log.note(op, { keys }, origin);
  const work = (told: Note) => run(store, steps, packed, told);
  if (store.connection.clustered) await log.around(note, () => work(SILENT));
  else await work(note);
}

async function run(store: Store, steps: readonly AtomicStep[], packed: Buffer, note: Note): Promise<void> {
  const route = store.names.full(steps[0] ? keyOf(steps[0]) : "");
  const reply = await store.scripts.run(ATOMIC, route, packed, baseOf(store), note.field, note.text);
  if (reply === undefined) throw scriptsNeeded("doing several things as one");
  const step = steps[asInteger(reply) - 1];
  if (step === undefined) return;
  throw new CacheError("store", "other-type", "one of the keys holds another Redis type than a string", {
    key: keyOf(step),
    hint: "Use another key, or remove this one by naming its type.",
  });
}

/** @throws CacheError `value-too-large` */
function packSteps(store: Store, steps: readonly AtomicStep[]): Buffer {
  const { names, clock } = store;
  const now = clock.now();
  const packer = new Packer(steps.length * 256);
  for (const step of steps) {
    const key = keyOf(step);
    const entry = "set" in step ? step.set : undefined;
    const stored = entry ? wrap(entry) : "";
    packer.add(entry ? "s" : "d");
    packer.add(names.full(key));
    packer.add(stored);
    packer.add(relativeDeadline(entry?.expiresAt, now));
    packer.add(memberKey(key));
    packer.add(names.sidecar(key));
    packer.add(entry && isTagged(entry) ? newSidecar(entry.tags ?? [], wrap(entry), now) : "");
    packer.add(entry?.keepDeadline ? "1" : "");
    if (packer.bytes <= MAX_VALUE_BYTES) continue;
    throw new CacheError("usage", "value-too-large", "the batch holds more than Redis takes at once", {
      key,
      hint: "Write the large values by themselves.",
    });
  }
  return packer.finish();
}
