import { execFileSync } from "node:child_process";
import { join } from "node:path";

const ENTRIES = 1_000_000;
const VALUE_BYTES = 100;

/**
 * Bytes that the store needs for an entry beyond what it is there for: of the growth of the process's heap and external memory, keys and values as they are
 * held outside any store (an array of keys, an array of Uint8Arrays) are taken away. Entry objects, maps and the books of the policy are in it.
 */
export async function measure(work) {
  const core = await work.corePath();
  const grow = (/** @type {string} */ what) => {
    const program = join(import.meta.dirname, "../peers/memory-growth.js");
    const args = [
      "--expose-gc",
      "--max-old-space-size=6000",
      program,
      core,
      what,
      String(ENTRIES),
      String(VALUE_BYTES),
    ];
    return Number(execFileSync(process.execPath, args, { env: work.env, stdio: ["ignore", "pipe", "inherit"] }));
  };
  const bare = grow("bare");
  console.log(`  keys and values alone: ${(bare / ENTRIES).toFixed(0)} bytes each`);
  return ["w-tinylfu", "w-tinylfu+ttl", "lru", "lfu", "fifo", "ttl"].map((policy) => {
    const bytes = grow(policy);
    return {
      what: `bytes of bookkeeping an entry, ${ENTRIES / 1e6}M entries, ${policy}`,
      peer: "keys and values in two arrays",
      bound: "at most",
      wanted: 300,
      seen: (bytes - bare) / ENTRIES,
      unit: "bytes",
      samples: { bytes, bare },
    };
  });
}
