// node scripts/what-begins.js MAIN OUT: which files of a bundle that was not minified begin while short commands run.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runCommands, SHORT_COMMANDS } from "./short-commands.js";

const [filename = "", out = ""] = process.argv.slice(2);
/** @type {Set<string>} */
const began = new Set();
// esbuild begins each file with a method named after it: `__esm({ "src/run.ts"() {…} })`, `__commonJS({ … })`.
const source = readFileSync(filename, "utf8").replace(
  /^( {2}"?([^"\n]+)"?\((?:exports\w*(?:, module\w*)?)?\) \{)$/gm,
  (_all, head, name) => `${head} began.add(${JSON.stringify(name)});`,
);
const loaded = { exports: { main: async () => undefined } };
new Function("exports", "require", "module", "__filename", "began", source)(
  loaded.exports,
  createRequire(filename),
  loaded,
  filename,
  began,
);
await runCommands(loaded.exports.main, SHORT_COMMANDS);
writeFileSync(out, [...began].join("\n"));
