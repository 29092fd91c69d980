import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const HEAD = `What is bundled into these files besides cachectl itself, each with its license. Packages that are installed with cachectl have theirs with them.
`;

/** Folders of the packages that a program is made of. @param {import("esbuild").BuildOptions} program */
async function packagesOf(program) {
  const { metafile } = await build({
    ...program,
    bundle: true,
    write: false,
    metafile: true,
    outdir: "notices",
    logLevel: "error",
  });
  const folders = Object.keys(metafile.inputs).flatMap(
    (path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return new Set(folders);
}

/** What a package says of its license. @param {string} folder */
function noticeOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^(?:licen[cs]e|copying)(?:\.\w+)?$/i.test(entry));
  const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim();
  if (text === "" && typeof license !== "string") throw new Error(`${name} says nothing of its license`);
  return { title: `${name} ${version} (${license ?? "see below"})`, text };
}

/**
 * Writes the licenses of what is bundled: they ask for it.
 * @param {string} path
 * @param {readonly string[]} external what is not bundled
 */
export async function writeNotices(path, external) {
  const node = {
    entryPoints: ["src/main.ts", "src/index.ts"],
    platform: "node",
    format: "esm",
    external: [...external],
  };
  const page = {
    entryPoints: ["src/page/main.tsx"],
    platform: "browser",
    format: "esm",
    tsconfig: "src/page/tsconfig.json",
  };
  const folders = new Set([...(await packagesOf(node)), ...(await packagesOf(page))]);
  // Packages that are in it more than once, or whose license is word for word that of another, are named together.
  const byText = new Map();
  for (const { title, text } of [...folders].map(noticeOf))
    byText.set(text, [...new Set([...(byText.get(text) ?? []), title])]);
  const parts = [...byText].map(([text, titles]) => `${titles.sort().join("\n")}\n\n${text}`.trim()).sort();
  const line = `\n\n${"-".repeat(80)}\n\n`;
  writeFileSync(path, `${[HEAD.trim(), ...parts].join(line)}\n`);
}
