// node scripts/code-cache.js MAIN: keeps what V8 compiled of the bundle while it set and got one entry, for the start of bin/cache.js.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Script } from "node:vm";

const [filename = ""] = process.argv.slice(2);
const script = new Script(Module.wrap(readFileSync(filename, "latin1")), { filename });
const loaded = { exports: {} };
script.runInThisContext()(loaded.exports, createRequire(filename), loaded, filename, dirname(filename));
const folder = mkdtempSync(join(tmpdir(), "cachectl-build-"));
try {
  const store = ["--store", `sqlite:${join(folder, "cache.db")}`];
  for (const words of [
    ["set", "key", "value"],
    ["get", "key"],
  ]) {
    process.argv = [process.execPath, "cache", ...words, ...store];
    await loaded.exports.main();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
// A command that failed here (the settings of whoever builds, SQLite's driver that is not compiled) makes later starts slower, and nothing worse.
process.exitCode = 0;
writeFileSync(join(dirname(filename), `main.${process.arch}-${process.versions.v8}.code`), script.createCachedData());
