import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";

/**
 * @typedef {import("esbuild").Metafile["inputs"]} Files every file of the program with what it imports
 * @typedef {{ name: string, entry: string, plugin: import("esbuild").Plugin }} Half
 */

/**
 * Bundles the whole program, runs short commands in it and sees which files begin: the others need not be read by such a command.
 * @param {import("esbuild").BuildOptions} program
 * @param {import("esbuild").Plugin[]} plugins
 * @param {string} outdir is removed afterwards
 * @returns {Promise<{ files: Files, began: ReadonlySet<string> }>}
 */
export async function whatBegins(program, plugins, outdir) {
  const outfile = join(outdir, "main.cjs");
  const { metafile } = await build({
    ...program,
    // The names of files stay in the bundle.
    minify: false,
    metafile: true,
    stdin: { contents: 'exports.main = () => require("./src/main.ts").main();', resolveDir: "." },
    outfile,
    plugins,
  });
  const began = join(outdir, "began.txt");
  execFileSync(process.execPath, ["scripts/what-begins.js", resolve(outfile), began], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const names = new Set(readFileSync(began, "utf8").split("\n"));
  rmSync(outdir, { recursive: true });
  return { files: metafile.inputs, began: names };
}

/**
 * The program in two files, main.cjs with what began and rest.cjs with all else. Every file is in one of them alone, so that a class is the same in both; what one half
 * needs of the other it takes from there when it is asked for.
 * @param {Files} files
 * @param {ReadonlySet<string>} began
 * @returns {readonly Half[]}
 */
export function split(files, began) {
  const isHot = (/** @type {string} */ path) => began.has(path);
  /** Modules without a file (what stands in for Node's own) keep nothing: each half has its own. */
  const isFile = (/** @type {string} */ path) => path in files && !/^[a-z-]+:/.test(path);
  const crossing = (/** @type {boolean} */ hot) => {
    const targets = Object.entries(files)
      .filter(([path]) => isFile(path) && isHot(path) === hot)
      .flatMap(([, { imports }]) => imports.map(({ path }) => path))
      .filter((path) => isFile(path) && isHot(path) !== hot);
    return [...new Set(targets)].sort();
  };
  const given = (/** @type {readonly string[]} */ paths) =>
    paths.map((path) => `${JSON.stringify(path)}: () => require(${JSON.stringify(`./${path}`)})`).join(",\n");
  const plugin = (/** @type {boolean} */ hot, /** @type {string} */ other) => ({
    name: "other-half",
    setup: (/** @type {import("esbuild").PluginBuild} */ building) =>
      takeFrom(building, other, files, (path) => isFile(path) && isHot(path) !== hot),
  });
  return [
    {
      name: "main.cjs",
      entry: `exports.main = () => require("./src/main.ts").main(); exports.given = {${given(crossing(false))}};`,
      plugin: plugin(true, "rest.cjs"),
    },
    { name: "rest.cjs", entry: `exports.given = {${given(crossing(true))}};`, plugin: plugin(false, "main.cjs") },
  ];
}

/**
 * @param {import("esbuild").PluginBuild} building
 * @param {string} other the file of the other half
 * @param {Files} files
 * @param {(path: string) => boolean} isThere true for a file of the other half
 */
function takeFrom({ onResolve, onLoad }, other, files, isThere) {
  const root = `${process.cwd()}/`;
  onResolve({ filter: /.*/ }, ({ path, importer, kind, namespace }) => {
    if (namespace === "other-half")
      return { path, ...(path.startsWith("../") ? { external: true } : { namespace: "given" }) };
    const known = files[importer.replace(root, "")]?.imports.find(({ original }) => original === path);
    if (!known || !isThere(known.path)) return undefined;
    // How a CommonJS module looks to an ES module is decided where it is imported.
    const isPlain = kind === "require-call" || files[known.path]?.format !== "esm";
    return { path: known.path, namespace: isPlain ? "given" : "other-half" };
  });
  onResolve({ filter: /.*/, namespace: "given" }, ({ path }) => ({ path, external: true }));
  onLoad({ filter: /.*/, namespace: "given" }, ({ path }) => ({
    contents: `module.exports = require("../dist/${other}").given[${JSON.stringify(path)}]();`,
  }));
  onLoad({ filter: /.*/, namespace: "other-half" }, ({ path }) => ({
    contents: `export * from ${JSON.stringify(path)}; export { default } from ${JSON.stringify(path)};`,
  }));
}
