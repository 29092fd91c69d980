// node --expose-gc memory-growth.js CORE WHAT ENTRIES VALUE_BYTES: prints the bytes by which heap and external memory grew.
import { pathToFileURL } from "node:url";

const [core, what, entries, valueBytes] = process.argv.slice(2);
const count = Number(entries);
const { openBackend, systemClock: clock } = await import(pathToFileURL(core).href);
const keyOf = (/** @type {number} */ i) => `user:${String(i).padStart(10, "0")}`;
const used = () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const before = used();
const [policy, ttl] = what.split("+");
const held = what === "bare" ? bare() : await filled();
const growth = used() - before;
if (held === undefined) throw new Error("nothing is held");
console.log(growth);
process.exit();

function bare() {
  const keys = [];
  const values = [];
  for (let i = 0; i < count; i++) {
    keys.push(keyOf(i));
    values.push(new Uint8Array(Number(valueBytes)));
  }
  return { keys, values };
}

async function filled() {
  const store = { kind: "memory", maxEntries: count, maxBytes: 2 ** 40, policy, sweepMs: 0 };
  const backend = await openBackend(store, { namespace: "", clock, emit: () => {} });
  const value = Buffer.alloc(Number(valueBytes));
  for (let i = 0; i < count; i++) {
    const entry = { key: keyOf(i), value, ...(ttl && { expiresAt: clock.now() + 3_600_000 + i }) };
    if (backend.setMany([entry])[0] !== "stored") throw new Error("not stored");
  }
  const { entries: held } = await backend.describe();
  if (held !== count) throw new Error(`${held} entries are held`);
  return backend;
}
