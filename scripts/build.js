// Bundles the command line into dist/: one file for what every start needs, one for each command and each client, so that
// `cache get` on SQLite parses nothing else.
import { readFile, rm } from "node:fs/promises";
import { build } from "esbuild";

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

const [outdir = "dist"] = process.argv.slice(2);
await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: { main: "src/main.ts" },
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  minify: true,
  keepNames: true,
  external: ["better-sqlite3", "ioredis", "typescript"],
  chunkNames: "chunks/[name]-[hash]",
  legalComments: "none",
  plugins: [lazyOclif],
  // The bundled packages that are CommonJS look for these.
  banner: {
    js: [
      'import{createRequire as __createRequire}from"node:module";',
      'import{fileURLToPath as __toPath}from"node:url";',
      'import{dirname as __parent}from"node:path";',
      "const require=__createRequire(import.meta.url);",
      "const __filename=__toPath(import.meta.url),__dirname=__parent(__filename);",
    ].join(""),
  },
});
