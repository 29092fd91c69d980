// node log-listener.js CORE URL KEY: reads KEY through memory over that Redis until it has a copy, and says "ready"; when a line comes in, what it reads by then.
import { once } from "node:events";
import { pathToFileURL } from "node:url";

const [core = "", url = "", key = ""] = process.argv.slice(2);
const { openCache } = await import(pathToFileURL(core).href);
const cache = await openCache({ store: ["memory:", url] });
await cache.start();
let old;
do old = await cache.get(key);
while ((await cache.backend.describe()).tiers?.[0]?.entries !== 1);
console.log("ready");
await once(process.stdin, "data");
const value = await cache.get(key);
const [memory] = (await cache.backend.describe()).tiers ?? [];
console.log(JSON.stringify({ old, value, inUse: memory?.inUse, lagMs: memory?.lagMs }));
process.stdin.destroy();
await cache.close();
