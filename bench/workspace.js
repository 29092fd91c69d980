import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

/**
 * @typedef {object} Workspace
 * @property {string} dir a folder that is removed at the end
 * @property {(name: string) => string} path a file in it
 * @property {() => string} binary builds, packs and installs the package as a user has it; the path of the `bin/cache.js` that npm installed
 * @property {() => Promise<Core>} core the core as a module, bundled from the sources
 * @property {() => Promise<string>} corePath the file of that module, for a process of its own
 * @property {NodeJS.ProcessEnv} env an environment without settings of this tool
 * @property {(end: () => Promise<void>) => void} atEnd
 * @property {() => Promise<void>} close
 *
 * @typedef {{
 *   Cache: typeof import("../src/cache/cache.js").Cache,
 *   openBackend: typeof import("../src/backends/open.js").openBackend,
 *   resilient: typeof import("../src/backends/resilient/index.js").resilient,
 *   openCache: typeof import("../src/library.js").openCache,
 *   systemClock: typeof import("../src/clock.js").systemClock,
 * }} Core
 */

/** @returns {Workspace} */
export function openWorkspace() {
  const dir = mkdtempSync(join(tmpdir(), "cachectl-bench-"));
  const path = (/** @type {string} */ name) => join(dir, name);
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  const env = { PATH: process.env.PATH, HOME: dir };
  return {
    dir,
    path,
    env,
    binary: () => install(path("package"), path("installed")),
    core: async () => import(pathToFileURL(await bundleCore(path("core"))).href),
    corePath: () => bundleCore(path("core")),
    atEnd: (end) => ends.push(end),
    async close() {
      for (const end of ends.toReversed()) await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/**
 * What `npm install` of the packed package gives. Nothing is downloaded or compiled for it: the dependencies come from npm's cache, and
 * better-sqlite3's compiled part from the clone's own.
 * @param {string} source
 * @param {string} target
 */
function install(source, target) {
  mkdirSync(source);
  mkdirSync(target);
  for (const name of ["package.json", "tsconfig.json", "tsconfig.library.json", "bin", "src", "scripts"])
    cpSync(join(ROOT, name), join(source, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(source, "node_modules"));
  const quiet = { cwd: source, stdio: /** @type {const} */ (["ignore", "pipe", "inherit"]) };
  execFileSync("node", ["scripts/build.js"], quiet);
  const [{ filename }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--loglevel=error"], quiet).toString(),
  );
  const flags = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error"];
  execFileSync("npm", ["install", ...flags, join(source, filename)], { ...quiet, cwd: target });
  const addon = "node_modules/better-sqlite3/build";
  cpSync(join(ROOT, addon), join(target, addon), { recursive: true });
  return join(target, "node_modules/cachectl/bin/cache.js");
}

/**
 * @param {string} outdir
 * @returns {Promise<string>} the file
 */
async function bundleCore(outdir) {
  mkdirSync(outdir);
  symlinkSync(join(ROOT, "node_modules"), join(outdir, "node_modules"));
  const outfile = join(outdir, "core.mjs");
  await build({
    stdin: {
      contents: [
        'export { Cache } from "./src/cache/cache.ts";',
        'export { openBackend } from "./src/backends/open.ts";',
        'export { resilient } from "./src/backends/resilient/index.ts";',
        'export { openCache } from "./src/library.ts";',
        'export { systemClock } from "./src/clock.ts";',
      ].join("\n"),
      resolveDir: ROOT,
      loader: "ts",
    },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    external: ["better-sqlite3", "ioredis", "lru-cache"],
  });
  return outfile;
}
