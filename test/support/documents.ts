import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

export interface Block {
  /** Of its first line, from 1. */
  line: number;
  /** What stands behind the three backticks: `sh`, `json config`. */
  language: string;
  text: string;
  /** Why it can't be run, from a comment `<!-- not run: … -->` in the line before it. */
  notRun?: string;
}

/** The blocks of a Markdown text. */
export function blocksOf(markdown: string): Block[] {
  const found = markdown.matchAll(/^(?:<!-- not run: (.+) -->\n)?^```([^\n`]*)\n([\s\S]*?)^```$/gm);
  return [...found].map((match) => {
    const [, notRun, language = "", text = ""] = match;
    const before = markdown.slice(0, match.index + match[0].indexOf("```"));
    return { line: before.split("\n").length + 1, language, text, ...(notRun === undefined ? {} : { notRun }) };
  });
}

export const readDocument = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** Documents that people follow: their blocks are run, compiled and read by tests. Paths from the root of the project. */
export const DOCUMENTS: readonly string[] = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md") && name !== "CHANGELOG.md"),
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].sort();

/** The blocks of all documents that are marked by one of these languages, with where they stand. */
export function allBlocks(...languages: readonly string[]): (Block & { document: string })[] {
  return DOCUMENTS.flatMap((document) =>
    blocksOf(readDocument(document))
      .filter(({ language }) => languages.includes(language))
      .map((block) => ({ document, ...block })),
  );
}
