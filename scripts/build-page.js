// Builds the admin page into dist/page/: one script, one style sheet and an icon, named by what is in them, each also as it is sent compressed, and the HTML that
// loads them.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * @param {string} outdir
 * @returns {Promise<void>}
 */
export async function buildPage(outdir) {
  await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  const { outputFiles } = await build({
    entryPoints: { page: "src/page/main.tsx" },
    outdir,
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    // The first that know light-dark(), which the style sheet goes by.
    target: ["chrome123", "firefox120", "safari17.5"],
    tsconfig: "src/page/tsconfig.json",
    legalComments: "none",
  });
  const files = outputFiles.map(({ path, contents }) => ({ name: basename(path), contents }));
  files.push({ name: "icon.svg", contents: await readFile("src/page/icon.svg") });
  let html = await readFile("src/page/index.html", "utf8");
  for (const { name, contents } of files) {
    const hashed = hashedName(name, contents);
    html = html.replaceAll(`"/cache/ui/${name}"`, `"/cache/ui/${hashed}"`);
    await writeCoded(join(outdir, hashed), contents);
  }
  await writeCoded(join(outdir, "index.html"), Buffer.from(html));
}

/** `page-1A2B3C4D.js` */
function hashedName(name, contents) {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 8).toUpperCase();
  const ending = extname(name);
  return `${basename(name, ending)}-${hash}${ending}`;
}

async function writeCoded(path, contents) {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  await writeFile(path, contents);
  await writeFile(`${path}.br`, brotliCompressSync(contents, quality));
  await writeFile(`${path}.gz`, gzipSync(contents, { level: 9 }));
}

if (argv[1] === fileURLToPath(import.meta.url)) await buildPage(argv[2] ?? "dist/page");
