// node scripts/code-cache.js DIST: keeps what V8 compiled of the program while it set and got one entry, for the start of bin/cache.js.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Script } from "node:vm";
import { runCommands, SHORT_COMMANDS } from "./short-commands.js";

const [dist = ""] = process.argv.slice(2);
const plainRequire = createRequire(join(dist, "main.cjs"));
/** @type {Map<string, { script: Script, module: { exports: { main: () => Promise<void> } } }>} */
const loaded = new Map();

/** As bin/cache.js does it. @param {string} name */
function load(name) {
  const before = loaded.get(name);
  if (before) return before.module.exports;
  const filename = join(dist, name);
  // Not where it lies here: that would go into what is kept.
  const script = new Script(readFileSync(filename, "latin1"), { filename: name });
  const module = { exports: { main: async () => undefined } };
  loaded.set(name, { script, module });
  script.runInThisContext()(module.exports, requireHere, module, filename, dist);
  return module.exports;
}

/** @param {string} id */
function requireHere(id) {
  return id.startsWith("../dist/") ? load(id.slice("../dist/".length)) : plainRequire(id);
}

await runCommands(load("main.cjs").main, SHORT_COMMANDS.slice(0, 2));
for (const name of ["rest.cjs", "zod.cjs"]) load(name);
for (const [name, { script }] of loaded) {
  const made = join(dist, name.replace(/cjs$/, `${process.arch}-${process.versions.v8}.code`));
  writeFileSync(made, script.createCachedData());
}
