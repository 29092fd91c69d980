import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Script } from "node:vm";

/** @typedef {{ exports: { main: () => Promise<void> } }} Part */

/**
 * The program as it was built into a folder, begun as bin/cache.js does it, but compiled anew.
 * @param {string} dist
 */
export function programIn(dist) {
  const plainRequire = createRequire(join(dist, "main.cjs"));
  /** @type {Map<string, { script: Script, part: Part }>} */
  const loaded = new Map();

  /** @param {string} name */
  function load(name) {
    const before = loaded.get(name);
    if (before) return before.part.exports;
    const filename = join(dist, name);
    // Not by where it lies here: that would go into what is kept of it, and each folder would give other bytes.
    const script = new Script(readFileSync(filename, "latin1"), { filename: name });
    const part = { exports: { main: async () => undefined } };
    loaded.set(name, { script, part });
    script.runInThisContext()(part.exports, requireHere, part, filename, dist);
    return part.exports;
  }

  /** @param {string} id */
  function requireHere(id) {
    return id.startsWith("../dist/") ? load(id.slice("../dist/".length)) : plainRequire(id);
  }

  return { load, loaded };
}
