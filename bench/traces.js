import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** The traces lie beside the clone, in a folder that not everybody has. */
const FOLDER = join(import.meta.dirname, "../../shared/traces");

/**
 * Reads the keys of a trace, in the order of their accesses.
 * @type {Record<string, () => string[]>}
 */
export const TRACES = {
  oltp: () =>
    linesOf("oltp.txt.gz").flatMap((line) => {
      const [start, count] = line.split(" ").map(Number);
      return Array.from({ length: count }, (_, i) => String(start + i));
    }),
  gli: () => keysOf("gli.txt.gz"),
  multi3: () => keysOf("multi3.txt.gz"),
  sprite: () => keysOf("sprite.txt.gz"),
  web12: () => {
    const bytes = unpacked("web12.bin.gz");
    return Array.from({ length: bytes.length / 4 }, (_, i) => String(bytes.readInt32BE(i * 4)));
  },
};

export function haveTraces() {
  return existsSync(join(FOLDER, "oltp.txt.gz"));
}

/** @param {string} name */
function unpacked(name) {
  return gunzipSync(readFileSync(join(FOLDER, name)));
}

/** @param {string} name */
function linesOf(name) {
  return unpacked(name)
    .toString()
    .split("\n")
    .filter((line) => line.trim() !== "");
}

/** @param {string} name */
function keysOf(name) {
  return linesOf(name)
    .map((line) => line.trim())
    .filter((line) => line !== "*");
}

/**
 * Reads every key through a store in memory, and writes those that are not there.
 * @param {import("../src/backends/backend.js").Backend} store
 * @param {readonly string[]} keys
 * @returns {Promise<number>} the share of hits in percent
 */
export async function replay(store, keys) {
  const value = Buffer.from("1");
  let hits = 0;
  for (const key of keys) {
    const [entry] = await store.getMany([key]);
    if (entry) hits += 1;
    else await store.setMany([{ key, value }]);
  }
  return (hits / keys.length) * 100;
}
