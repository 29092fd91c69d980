// Makes docs/http-conformance.md of the names of the tests in test/serve/conformance, each of which begins with the section that it is about.
// `--check` writes nothing, and fails where the document is not what the tests are.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TESTS = new URL("../test/serve/conformance/", import.meta.url);
const DOCUMENT = new URL("../docs/http-conformance.md", import.meta.url);

const TITLES = new Map([
  ["9111", "HTTP Caching"],
  ["5861", "Cache-Control Extensions for Stale Content"],
  ["9211", "The Cache-Status HTTP Response Header Field"],
  ["9213", "Targeted HTTP Cache Control"],
  ["9110", "HTTP Semantics, as far as a cache between two parties is concerned"],
  ["9112", "HTTP/1.1, as far as a cache between two parties is concerned"],
]);

const HEAD = `# What HTTP asks of a cache, and what shows that it is so

Made by \`node scripts/http-conformance.js\` from the names of the tests in \`test/serve/conformance/\`, each of which begins with its section. They run with \`npm test\`, over sockets: a real
client, the proxy, a real origin. A test stands under each section that it names.

*says* is how the RFC says it: MUST, MUST NOT, or \`may\` where it leaves the choice to the cache, which uses it to serve more from the store; empty where it describes.`;

const TAIL = `## What there is no test of

| section | why |
|---|---|
| RFC 9111 §3.4, §4.3.1 (ranges) | Parts of responses (206) are neither stored nor put together: ranges are answered from complete responses. |
| RFC 9111 §4.3.2 (combined lists) | The entity tags of a client are not added to those of a validation; its condition is answered from what comes of that. |
| RFC 9111 §4.2 (no clock) | There is one. |
| RFC 9111 §5.2.2.6 | Nothing is transformed unless a rule says so, and never what has \`no-transform\`. |
| RFC 9111 §5.5 | \`Warning\` is obsolete: it is neither made nor read. |
| RFC 9111 §6 | For caches of user agents. |
| RFC 9211 §2.7 | \`key\` is not sent: it would show what requests are told apart by. |
| RFC 9110 §15.2.1 | An origin that sends 100 to a request without \`Expect\` is taken for broken (502), since its client library has it so. |
`;

/** @returns {{ name: string, file: string }[]} */
function tests() {
  const files = readdirSync(TESTS).filter((file) => file.endsWith(".test.ts"));
  return files.sort().flatMap((file) => {
    const source = readFileSync(new URL(file, TESTS), "utf8");
    return [...source.matchAll(/\btest\(\s*"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => ({
      name: JSON.parse(`"${text}"`),
      file,
    }));
  });
}

/** The rows of each RFC. A name is `RFC 9111 §3.2, §4.3.4, RFC 9110 §15.4.5: what is so`. */
function rowsByRfc() {
  const rows = new Map([...TITLES.keys()].map((rfc) => [rfc, []]));
  for (const { name, file } of tests()) {
    const [, places, what] = /^(RFC [^:]+): (.+)$/s.exec(name) ?? [];
    if (places === undefined) throw new Error(`${file}: a test that names no section: ${name}`);
    let rfc = "";
    for (const place of places.split(", ")) {
      const [, number, section] = /^(?:RFC (\d+))? ?(?:§([\d.]+))?$/.exec(place) ?? [];
      rfc = number ?? rfc;
      const list = rows.get(rfc);
      if (list === undefined) throw new Error(`${file}: an RFC that has no title here: ${name}`);
      if (section !== undefined) list.push({ section, what, file });
    }
  }
  return rows;
}

function levelOf(what) {
  return /\bMUST NOT\b/.exec(what)?.[0] ?? /\bMUST\b/.exec(what)?.[0] ?? /\bmay\b/.exec(what)?.[0] ?? "";
}

function bySection(a, b) {
  const [left, right] = [a, b].map(({ section }) => section.split(".").map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

function document() {
  const parts = [HEAD];
  const counts = ["| RFC | MUST | MUST NOT | may | others | all |", "|---|---|---|---|---|---|"];
  for (const [rfc, rows] of rowsByRfc()) {
    rows.sort(bySection);
    const of = (level) => rows.filter(({ what }) => levelOf(what) === level).length;
    counts.push(`| ${rfc} | ${of("MUST")} | ${of("MUST NOT")} | ${of("may")} | ${of("")} | ${rows.length} |`);
    const lines = rows.map(({ section, what, file }) => {
      const link = `[${file.replace(".test.ts", "")}](../test/serve/conformance/${file})`;
      return `| ${section} | ${levelOf(what)} | ${what.replaceAll("|", "\\|")} | ${link} |`;
    });
    parts.push(
      `## RFC ${rfc}: ${TITLES.get(rfc)}\n\n| § | says | what is tested | where |\n|---|---|---|---|\n${lines.join("\n")}`,
    );
  }
  parts.splice(1, 0, counts.join("\n"));
  return `${parts.join("\n\n")}\n\n${TAIL}`;
}

const wanted = document();
if (process.argv.includes("--check")) {
  if (readFileSync(DOCUMENT, "utf8") !== wanted) {
    process.stderr.write(
      "docs/http-conformance.md is not what the tests are: run `node scripts/http-conformance.js`\n",
    );
    process.exitCode = 1;
  }
} else {
  writeFileSync(DOCUMENT, wanted);
  process.stdout.write(`${fileURLToPath(DOCUMENT)}\n`);
}
