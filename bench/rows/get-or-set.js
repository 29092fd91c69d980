import { interleave } from "../measure.js";
import { jsonOf } from "../records.js";

const CALLERS = 10_000;

/** Ten thousand callers who miss the same key at once, against one: exactly one load, and what each more costs. */
export async function measure(work) {
  const { Cache, openBackend, systemClock: clock } = await work.core();
  const backend = await openBackend({ kind: "memory", maxEntries: 1000 }, { namespace: "", clock, emit: () => {} });
  const cache = new Cache(backend, { clock });
  work.atEnd(() => cache.close());
  const value = JSON.parse(jsonOf(1));
  let loads = 0;
  const load = async () => {
    loads += 1;
    // As soon as everybody has asked, so that nothing but their own cost is measured.
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  };
  let round = 0;
  const run = async (/** @type {number} */ callers) => {
    const key = `key:${round++}`;
    loads = 0;
    const start = performance.now();
    const values = await Promise.all(Array.from({ length: callers }, () => cache.getOrSet(key, load)));
    const ms = performance.now() - start;
    if (loads !== 1) throw new Error(`${loads} loads instead of one`);
    if (values.some((one) => one.id !== value.id)) throw new Error("a caller got something else");
    return ms;
  };
  const samples = await interleave({ one: () => run(1), many: () => run(CALLERS) }, { runs: 21, warmUps: 5 });
  return [
    {
      what: `getOrSet of ${CALLERS.toLocaleString("en")} callers on one key, memory: each beyond one load`,
      peer: "one caller",
      bound: "at most",
      wanted: 2,
      seen: ((samples.many.median - samples.one.median) * 1000) / (CALLERS - 1),
      unit: "µs",
      samples,
    },
  ];
}
