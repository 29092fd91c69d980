// Builds the library: ES modules in which each store's client begins when it is asked for, and the types of what index.ts exports.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "esbuild";

/**
 * @param {string} outdir
 * @param {import("esbuild").Plugin[]} plugins
 */
export async function buildLibrary(outdir, plugins) {
  await build({
    entryPoints: ["src/index.ts"],
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: "[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node20.19",
    legalComments: "none",
    // What package.json has among its dependencies is installed with the package.
    external: Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies),
    plugins,
  });
  writeTypes(outdir);
}

/** Declarations of all that index.ts imports; those that its types don't lead to are removed again. `npm run check` is what checks them. */
function writeTypes(outdir) {
  const compiler = resolve("node_modules/typescript/bin/tsc");
  const options = ["--noCheck", "--declaration", "--emitDeclarationOnly", "--noEmit", "false", "--rootDir", "src"];
  const project = ["-p", "tsconfig.library.json", "--outDir", outdir];
  execFileSync(process.execPath, [compiler, ...project, ...options], { stdio: "inherit" });
  const needed = reachable(join(outdir, "index.d.ts"));
  for (const path of filesIn(outdir)) {
    if (path.endsWith(".d.ts") && !needed.has(path)) rmSync(path);
  }
  removeEmptyFolders(outdir);
}

/** The declarations that a declaration leads to, itself included. */
function reachable(start) {
  const found = new Set([start]);
  for (const path of found) {
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/(?:from |import\()"(\.[^"]*)\.js"/g)) {
      found.add(join(dirname(path), `${specifier}.d.ts`));
    }
  }
  return found;
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(relative(".", entry.parentPath), entry.name));
}

function removeEmptyFolders(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
