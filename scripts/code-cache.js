// node scripts/code-cache.js DIST: keeps what V8 compiled of the program while it set and got one entry, for the start of bin/cache.js.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { programIn } from "./program.js";
import { runCommands, SHORT_COMMANDS } from "./short-commands.js";

const [dist = ""] = process.argv.slice(2);
const { load, loaded } = programIn(dist);
await runCommands(load("main.cjs").main, SHORT_COMMANDS.slice(0, 2));
for (const name of ["rest.cjs", "zod.cjs"]) load(name);
for (const [name, { script }] of loaded) {
  const made = join(dist, name.replace(/cjs$/, `${process.arch}-${process.versions.v8}.code`));
  writeFileSync(made, script.createCachedData());
}
