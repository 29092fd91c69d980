import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { DOCUMENTS, ROOT, readDocument } from "../support/documents.js";

const FOLDERS = ["docs", "src", "bench", "examples", "test"];

/** Every Markdown file of the project, those that are made by programs too. */
function markdownFiles(): string[] {
  const below = FOLDERS.filter((folder) => existsSync(join(ROOT, folder))).flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".md") && !path.includes("node_modules"))
      .map((path) => join(folder, path)),
  );
  return [...readdirSync(ROOT).filter((name) => name.endsWith(".md")), ...below];
}

/** Without code, in which brackets and `#` are no links and headings. */
const proseOf = (path: string) =>
  readFileSync(join(ROOT, path), "utf8")
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .replaceAll(/<!--[\s\S]*?-->/g, "");

/** The names by which GitHub lets headings be linked to. */
function anchorsOf(path: string): Set<string> {
  const names = new Set<string>();
  for (const [, heading = ""] of proseOf(path).matchAll(/^#+ (.+)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const name = text.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
    for (let i = 0; ; i++) {
      const one = i === 0 ? name : `${name}-${i}`;
      if (names.has(one)) continue;
      names.add(one);
      break;
    }
  }
  return names;
}

/** What is linked to from a file, with what is wrong about it. */
function deadLinks(path: string): string[] {
  const text = proseOf(path).replaceAll(/`[^`\n]*`/g, "");
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"\s]+)"/g)].map(
    ([, link, image]) => link ?? image ?? "",
  );
  return targets.filter((target) => {
    if (/^(?:https?|mailto):/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const there = file === "" ? path : normalize(join(dirname(path), decodeURIComponent(file)));
    if (!existsSync(join(ROOT, there))) return true;
    return anchor !== undefined && (statSync(join(ROOT, there)).isDirectory() || !anchorsOf(there).has(anchor));
  });
}

test.each(markdownFiles())("%s leads to what there is", (path) => {
  expect(deadLinks(path)).toEqual([]);
});

test.each(DOCUMENTS)("%s names files that there are", (path) => {
  const named = [...proseOf(path).matchAll(/`((?:src|test|scripts|examples|bench|docs)\/[\w./-]+)`/g)];
  expect(named.map(([, file = ""]) => file).filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

test("the README is short enough to be read", () => {
  expect(readDocument("README.md").split("\n").length).toBeLessThan(250);
});

test("every document by task is in the index, and the README leads to it", () => {
  const documents = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md") && name !== "README.md");
  for (const name of documents) expect(proseOf("docs/README.md"), name).toContain(`](${name})`);
  expect(proseOf("README.md")).toContain("](docs/README.md)");
});
