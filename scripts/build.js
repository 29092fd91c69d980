// Bundles the command line and the library into dist/: one file for what every start needs, one for each command and each
// client, so that `cache get` on SQLite parses nothing else.
import { rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: { main: "src/main.ts" },
  outdir: "dist",
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
