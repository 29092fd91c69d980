// Bundles the command line into two files, dist/main.cjs with what short commands on SQLite need and dist/rest.cjs with all else, in which each command begins when it
// is run, and has V8 compile them; the library into dist/lib/; and the admin page into dist/page/.
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { buildLibrary } from "./build-library.js";
import { buildPage } from "./build-page.js";
import { writeNotices } from "./notices.js";
import { split, whatBegins } from "./split.js";

/**
 * oclif's modules require each other, their colours, spinners, plugin loader and template engine when they are loaded: 35 ms of
 * every start, for code that runs in none. This turns each `const x_1 = require(…)` of its compiled files into one that loads at the first use.
 * And its command module makes of every failure of stdout an uncaught exception, where ours are told and have an exit code.
 */
const lazyOclif = {
  name: "lazy-oclif",
  setup({ onLoad }) {
    onLoad({ filter: /@oclif[\\/]core[\\/]lib[\\/].*\.js$/ }, async ({ path }) => {
      let source = await readFile(path, "utf8");
      const names = [];
      source = source.replace(
        /^const (\w+_\d+) = ((?:__import(?:Default|Star)\()?require\("[^"]+"\)\)?);$/gm,
        (_all, name, load) => {
          names.push(name);
          return `const ${name} = () => ${load};`;
        },
      );
      for (const name of names) source = source.replace(new RegExp(`\\b${name}(?=[.\\[])`, "g"), `(${name}())`);
      source = source.replace(/^process\.stdout\.on\('error', [\s\S]*?^\}\);$/m, "");
      return { contents: source, loader: "js" };
    });
  },
};

/** What only oclif's plugins and inquirer's editor need: a third of the bundle. */
const leftOut = {
  name: "left-out",
  setup({ onResolve, onLoad }) {
    const names = ["@inquirer/external-editor", "cli-spinners", "lilconfig", "minimatch", "tinyglobby"];
    onResolve({ filter: new RegExp(`^(${names.join("|")})$`) }, ({ path }) => ({ path, namespace: "left-out" }));
    // On a terminal oclif's spinner, which nobody starts, is made with its frames.
    const contents = { "cli-spinners": "module.exports = { dots2: { frames: [] }, line: { frames: [] } };" };
    onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      contents: contents[path] ?? "module.exports = {};",
    }));
  },
};

/** Instead of modules that look around in the process or the file system at every start, what they would find. */
const found = {
  name: "found",
  setup({ onResolve, onLoad }) {
    const contents = {
      // better-sqlite3's compiled part lies where its installation puts it.
      bindings: 'module.exports = (name) => require("better-sqlite3/build/Release/" + name);',
      // Commands say themselves for which stream there is colour.
      "#supports-color": "export default { stdout: false, stderr: false };",
    };
    onResolve({ filter: /^(bindings|#supports-color)$/ }, ({ path }) => ({ path, namespace: "found" }));
    onLoad({ filter: /.*/, namespace: "found" }, ({ path }) => ({ contents: contents[path] }));
  },
};

/**
 * Of Node's own modules those that take time to load and that a short command imports without using: loaded at the first use. What they hold is looked up through
 * the prototype, which stays when esbuild copies the exports, so that it is what the running version of Node has, not the one that built.
 */
const lazyBuiltins = {
  name: "lazy-builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?(crypto|fs\/promises|os|timers\/promises|zlib)$/ }, ({ path, namespace }) =>
      namespace === "lazy-builtin" ? { path, external: true } : { path, namespace: "lazy-builtin" },
    );
    // These are functions too; our own files import them by the names of what they hold.
    onResolve({ filter: /^node:(module|stream)$/ }, ({ path, importer }) =>
      /[\\/]src[\\/][^\\/]/.test(importer) && importer.endsWith(".ts")
        ? { path, namespace: "lazy-builtin" }
        : undefined,
    );
    onLoad({ filter: /.*/, namespace: "lazy-builtin" }, ({ path }) => {
      const load = `let loaded; const load = () => (loaded ??= require(${JSON.stringify(path)}));`;
      const look = "{ get: (_, name) => load()[name], has: (_, name) => name in load() }";
      return { contents: `${load} module.exports = Object.create(new Proxy({}, ${look}));` };
    });
  },
};

/** Packages that are large, or only of use to a process that lives on: each in a file of its own, which costs nothing where nobody asks for it. */
const APART = ["fastify", "prom-client", "structured-headers", "undici", "zod"];
const apart = {
  name: "apart",
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^(${APART.join("|")})$`) }, ({ path }) => ({
      path: `../dist/${path}.cjs`,
      external: true,
    }));
  },
};

/** The version, without a look into package.json at every start. */
const version = {
  name: "version",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/]version\.ts$/ }, async () => {
      const { version } = JSON.parse(await readFile("package.json", "utf8"));
      return { contents: `export const VERSION = ${JSON.stringify(version)};` };
    });
  },
};

const [outdir = "dist"] = process.argv.slice(2);
await rm(outdir, { recursive: true, force: true });
/** @type {import("esbuild").BuildOptions} */
const shared = {
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20.19",
  minify: true,
  legalComments: "none",
};
/**
 * A function to be called with what Node gives a module, for bin/cache.js to compile and for Node to require. It is in the file: putting it around a text of this size later
 * makes a second text, and garbage of the first.
 */
const asPart = {
  banner: {
    js: '((part) => (typeof module === "object" ? (module.exports = part) : part))((exports, require, module, __filename, __dirname) => {',
  },
  footer: { js: "})" },
};
/** @type {import("esbuild").BuildOptions} */
const program = {
  ...shared,
  // What is imported dynamically is bundled too, and begins when it is asked for.
  supported: { "dynamic-import": false },
  // In a CommonJS file: what `createRequire` takes as well as a URL.
  define: { "import.meta.url": "__filename" },
  external: ["*.node", "ioredis", "typescript"],
};
const plugins = [version, apart, lazyOclif, leftOut, found, lazyBuiltins];
for (const name of APART) {
  await build({
    ...shared,
    stdin: {
      contents: name === "zod" ? `export { z } from "zod";` : `module.exports = require("${name}");`,
      resolveDir: ".",
    },
    // What fastify's tests would be made with.
    external: ["light-my-request"],
    outfile: join(outdir, `${name}.cjs`),
    ...asPart,
  });
}
const { files, began } = await whatBegins(program, plugins, join(outdir, "whole"));
const halves = split(files, began);
for (const half of halves) {
  const outfile = join(outdir, half.name);
  await build({
    ...program,
    stdin: { contents: half.entry, resolveDir: "." },
    outfile,
    ...asPart,
    plugins: [half.plugin, ...plugins],
  });
  // bin/cache.js reads it as Latin-1, which is twice as fast as UTF-8; esbuild leaves some characters in patterns as they are.
  const ascii = (await readFile(outfile, "utf8")).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  await writeFile(outfile, ascii);
}
// The seed goes into what V8 compiles, and each process would have another: the same sources give the same bytes.
execFileSync(process.execPath, ["--random-seed=1", "scripts/code-cache.js", resolve(outdir)], {
  stdio: ["ignore", "ignore", "inherit"],
});
await buildLibrary(join(outdir, "lib"), [version]);
await buildPage(join(outdir, "page"));
await mkdir(join(outdir, "man"));
// Elsewhere, and with nothing of the environment of who builds: it may say what is refused.
const manual = execFileSync(process.execPath, [resolve("scripts/man-page.js"), resolve(outdir)], {
  cwd: outdir,
  env: { HOME: resolve(outdir) },
  stdio: ["ignore", "pipe", "inherit"],
});
await writeFile(join(outdir, "man", "cache.1"), manual);
await writeNotices(join(outdir, "THIRD-PARTY.txt"), [...program.external, "light-my-request"]);
