// A program that leaves loads behind which never end, and does not close its cache.
import { openMemory } from "../../src/backends/memory/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock as clock } from "../../src/clock.js";

const [path] = process.argv.slice(2);
const context = { namespace: "", clock, emit: () => {} };
const cache = new Cache(path === undefined ? openMemory(context) : await openSqlite({ ...context, path }), { clock });
const never = () => new Promise<string>(() => {});

// Everybody who waited for it has left.
await cache.getOrSet("left", never, { timeout: 50 }).catch((error: { code: string }) => console.log(error.code));
// Nobody waits for a refresh.
const options = { ttl: 60_000, staleWhileRevalidate: 60_000, loadTimeout: Number.POSITIVE_INFINITY };
await cache.getOrSet("stale", () => "old", options);
await cache.invalidate({ keys: ["stale"] }, { soft: true });
console.log(await cache.getOrSet("stale", never, options));
