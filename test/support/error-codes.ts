import { join } from "node:path";
import { EXIT, exitCodeOf } from "../../src/cli/exit-codes.js";
import { CacheError, type ErrorKind } from "../../src/errors.js";
import { readSources } from "./imports.js";

const KIND = "usage|authentication|connection|timeout|refused|serialization|store";
const CODE = "[a-z][a-z0-9]*(?:-[a-z0-9]+)*";

/** Where a code is written down, with its kind beside it where that is written down too. */
const WRITTEN = [
  // Also over several kinds: `new CacheError(full ? "store" : "usage", "unwritable-file"`.
  new RegExp(`(?:new CacheError|super)\\(\\s*(?:"(?<kind>${KIND})"|[^,()]+),\\s*"(?<code>${CODE})"`, "g"),
  // A row of a table: what is looked for, kind, code, and a sentence.
  new RegExp(`,\\s*"(?<kind>${KIND})",\\s*"(?<code>${CODE})",\\s*["\`][^"\`]* `, "g"),
  new RegExp(`kind: "(?<kind>${KIND})",\\s*code: "(?<code>${CODE})"`, "g"),
  // What helpers are given that make errors of the kind usage.
  new RegExp(`\\b(?:badField|usage)\\(\\s*"(?<code>${CODE})"`, "g"),
  new RegExp(`\\b(?:checkOptions|checkIsObject|normalUrl)\\([^;]*?"(?<code>invalid-${CODE})"\\)`, "g"),
  new RegExp(`\\bcode = "(?<code>${CODE})"`, "g"),
  new RegExp(`\\bcode = \\w+ \\? "(?<code>${CODE})" : "(?<other>${CODE})"`, "g"),
  new RegExp(`new CacheError\\(\\s*"\\w+",\\s*\\w+ \\? "(?<code>${CODE})" : "(?<other>${CODE})"`, "g"),
  new RegExp(`new CacheError\\(\\s*"\\w+",\\s*[\\w?.]+ \\?\\? "(?<code>${CODE})"`, "g"),
  new RegExp(`leave\\(code: "(?<code>${CODE})" \\| "(?<other>${CODE})"`, "g"),
  // zod calls by `custom` what it is told of.
  new RegExp(`\\{ code: "(?!custom")(?<code>${CODE})", message`, "g"),
];

/** Codes that are put together, by the text that does it. */
const COMPOSED = new Map([
  [`\`\${what}-file\``, ["password-file", "token-file"]],
  [`\`\${what}-file-open\``, ["password-file-open", "token-file-open"]],
]);

/** Codes that are passed on from elsewhere in the code, by the text in the place of the code. */
const PASSED_ON = ["code", "error.code", "reply.code", "told?.code ?? "];

const SOURCES = readSources(join(import.meta.dirname, "../../src")).filter(({ path }) => !path.startsWith("page/"));

const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");

/** Every code of an error that the program can end with, with the exit codes of the kinds that stand beside it; none where its kind is worked out. */
export function errorCodes(): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  const add = (code: string | undefined, kind?: string) => {
    if (code === undefined || new RegExp(`^(?:${KIND})$`).test(code)) return;
    const exits = found.get(code) ?? new Set();
    if (kind !== undefined) exits.add(exitCodeOf(new CacheError(kind as ErrorKind, code, "")));
    found.set(code, exits);
  };
  for (const { text } of SOURCES) {
    const source = withoutComments(text);
    for (const pattern of WRITTEN)
      for (const { groups = {} } of source.matchAll(pattern)) {
        add(groups.code, groups.kind);
        add(groups.other);
      }
    for (const [template, codes] of COMPOSED)
      if (source.includes(`new CacheError("usage", ${template}`)) for (const code of codes) add(code, "usage");
  }
  // A stop by a key is told as that.
  for (const code of ["interrupted", "aborted"]) if (found.has(code)) found.set(code, new Set([EXIT.interrupted]));
  return found;
}

/** Errors whose code is neither written down nor known to be passed on. */
export function unclearCodes(): string[] {
  return SOURCES.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(/new CacheError\(\s*([^,]+),\s*([^,]+),/g)]
      .map(([, , code = ""]) => code.trim())
      .filter((code) => !/"[a-z0-9-]+"/.test(code) && !PASSED_ON.includes(code) && !COMPOSED.has(code))
      .map((code) => `${path}: ${code}`),
  );
}

/** Every code of a warning or event. */
export function warningCodes(): Set<string> {
  const found = new Set<string>();
  for (const { text } of SOURCES) {
    const source = withoutComments(text);
    for (const [, code = ""] of source.matchAll(/type: "(?:warning|store)",\s*code: "([a-z0-9-]+)"/g)) found.add(code);
    for (const [, code = ""] of source.matchAll(/"((?:breaker|fallback)-(?:open|half-open|closed|on|off))"/g))
      found.add(code);
    for (const [template, codes] of COMPOSED)
      if (source.includes(`code: ${template}`)) for (const code of codes) found.add(code);
  }
  return found;
}
