// node sqlite-writer.js CORE DATABASE NAME MS: says "ready", and when a line comes in sets one key after the other for so long, as a server would:
// each in a turn of its own. Then how many were set, what failed, and the longest stall of the event loop in milliseconds, as JSON.
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { jsonOf, keyOf } from "../records.js";

const [core = "", path = "", name, ms] = process.argv.slice(2);
const { openBackend, systemClock: clock } = await import(pathToFileURL(core).href);
const store = { kind: "sqlite", path, wait: "async" };
const backend = await openBackend(store, { namespace: `${name}:`, clock, emit: () => {} });
console.log("ready");
await once(process.stdin, "data");
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const errors = [];
let written = 0;
const end = performance.now() + Number(ms);
for (let i = 0; performance.now() < end; i++) {
  try {
    await backend.setMany([{ key: keyOf(i), value: Buffer.from(jsonOf(i)) }]);
    written += 1;
  } catch (error) {
    errors.push(String(error));
  }
  await nextTurn();
}
delay.disable();
process.stdin.destroy();
await backend.close();
console.log(JSON.stringify({ written, errors: errors.length, firstError: errors[0], stall: delay.max / 1e6 }));
