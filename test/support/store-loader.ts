import { once } from "node:events";
import { writeSync } from "node:fs";
import { openBackend } from "../../src/backends/open.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock } from "../../src/clock.js";

/**
 * A program that reads one missing key through a cache, many times at once, as soon as it is told to by a line on standard input. Prints `ready`,
 * `load` for each load that it makes, and at last `done` with the values that it got and its counts. Arguments: kind of store, path or URL, key, callers,
 * milliseconds of a load.
 */
const [kind = "", where = "", key = "", callers = "1", loadMs = "0"] = process.argv.slice(2);

const tell = (...words: readonly unknown[]) => writeSync(1, `${words.join(" ")}\n`);

const store =
  kind === "redis" ? ({ kind, url: where } as const) : ({ kind: "sqlite", path: where, wait: "async" } as const);
const backend = await openBackend(store, {
  namespace: "load:",
  clock: systemClock,
  emit: ({ code, message }) => tell("!", code, message),
});
const cache = new Cache(backend, { clock: systemClock });
await cache.start();
tell("ready");
await once(process.stdin, "data");
const load = async () => {
  tell("load");
  await systemClock.sleep(Number(loadMs));
  return { by: process.pid };
};
const values = await Promise.all(Array.from({ length: Number(callers) }, () => cache.getOrSet(key, load)));
const { loading } = await cache.stats();
tell("done", JSON.stringify({ values: [...new Set(values.map((value) => value?.by))], got: values.length, loading }));
process.stdin.destroy();
await cache.close();
