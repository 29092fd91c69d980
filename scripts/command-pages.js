// cache man --json | node scripts/command-pages.js: makes docs/commands of what the commands say of themselves (`npm run docs`).
// `--check` writes nothing, and fails where a page is not what the commands are.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @typedef {import("../src/cli/reference.ts").Reference} Reference */

const FOLDER = new URL("../docs/commands/", import.meta.url);

const MADE = "<!-- Made by `npm run docs` of what the command says of itself: change it there. -->";

const GROUPS = new Map([
  ["STORE", "Which store, and how"],
  ["REDIS", "Redis"],
  ["OUTPUT", "Output and questions"],
]);

/** Text in which nothing means anything to Markdown. @param {string} text */
const plain = (text) => text.replaceAll(/[\\`*_[\]<>|#~]/g, "\\$&").replaceAll("\n", " ");

/** @param {string} text */
const code = (text) => `\`${text.replaceAll("|", "\\|")}\``;

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** @param {Reference["flags"][number]} flag */
function flagName({ name, char, value }) {
  const short = char === undefined ? "" : `${code(`-${char}`)}, `;
  return `${short}${code(`--${name}${value === undefined ? "" : ` ${value}`}`)}`;
}

/** @param {Reference["flags"][number]} flag */
function flagMeaning({ summary, repeatable, required, environment, configKey }) {
  const more = [
    ...(required ? ["needed"] : []),
    ...(repeatable && !summary.includes("repeatable") ? ["repeatable"] : []),
    ...(environment === undefined ? [] : [code(environment)]),
    ...(configKey === undefined ? [] : [`in files ${code(configKey)}`]),
  ];
  return plain(summary) + (more.length > 0 ? ` (${more.join(", ")})` : "");
}

/** @param {string} name */
const fileOf = (name) => `${name.replaceAll(" ", "-")}.md`;

/** @param {Reference["commands"][number]} command @param {Reference["commands"]} all */
function page({ name, usage, summary, description, examples, args, flags }, all) {
  const below = all.filter((other) => other.name.startsWith(`${name} `));
  const above = all.filter((other) => name.startsWith(`${other.name} `));
  const related = [...above, ...below].map((other) => `[cache ${other.name}](${fileOf(other.name)})`);
  const parts = [
    MADE,
    `# cache ${name}`,
    plain(summary),
    `\`\`\`\n${usage}\n\`\`\``,
    ...(description === undefined ? [] : [plain(description)]),
    "## Examples",
    `\`\`\`sh\n${examples.join("\n")}\n\`\`\``,
  ];
  if (args.length > 0) {
    const rows = args.map((arg) => [
      code(arg.name + (arg.repeatable ? "..." : "")),
      plain(arg.description) +
        (arg.options ? `: ${arg.options.map(code).join(", ")}` : "") +
        (arg.required ? " (needed)" : ""),
    ]);
    parts.push("## Arguments", table(["argument", "meaning"], rows));
  }
  if (flags.length > 0) {
    const rows = flags.map((flag) => [flagName(flag), flagMeaning(flag)]);
    parts.push("## Flags", table(["flag", "meaning"], rows));
  }
  const also = related.length > 0 ? ` See also ${related.join(", ")}.` : "";
  parts.push(`[Flags of all commands, and exit codes](README.md#flags-of-all-commands).${also}`);
  return `${parts.join("\n\n")}\n`;
}

/** @param {Reference} reference */
function index({ commands, flags, variables, exitCodes }) {
  const groups = [...new Set(flags.map(({ group = "" }) => group))];
  return `${[
    MADE,
    "# Commands",
    "One page each, as the help of the command (`cache COMMAND --help`) and the manual page (`man cache`) have it.",
    table(
      ["command", "what it does"],
      commands.map(({ name, summary }) => [`[cache ${name}](${fileOf(name)})`, plain(summary)]),
    ),
    "## Flags of all commands",
    "Each is a setting, with a variable and, in most cases, a key in config files: [settings](../settings.md) tells which counts.",
    ...groups.flatMap((group) => [
      `### ${GROUPS.get(group) ?? group}`,
      table(
        ["flag", "meaning"],
        flags.filter((flag) => (flag.group ?? "") === group).map((flag) => [flagName(flag), flagMeaning(flag)]),
      ),
    ]),
    "### Variables without a flag",
    table(
      ["variable", "meaning"],
      variables.map(({ name, meaning }) => [code(name), plain(meaning)]),
    ),
    "## Exit codes",
    table(
      ["code", "meaning"],
      exitCodes.map(({ code: number, meaning }) => [String(number), plain(meaning)]),
    ),
    "What went wrong has a code of its own besides, which stays the same: [errors](../errors.md).",
  ].join("\n\n")}\n`;
}

/** @type {Reference} */
const reference = JSON.parse(readFileSync(0, "utf8"));
const pages = new Map([
  ["README.md", index(reference)],
  ...reference.commands.map(
    (command) => /** @type {const} */ ([fileOf(command.name), page(command, reference.commands)]),
  ),
]);

mkdirSync(FOLDER, { recursive: true });
const there = readdirSync(FOLDER);
const stale = there.filter((name) => !pages.has(name));
if (process.argv.includes("--check")) {
  const wrong = [...pages].filter(
    ([name, text]) => !there.includes(name) || readFileSync(new URL(name, FOLDER), "utf8") !== text,
  );
  const names = [...wrong.map(([name]) => name), ...stale];
  if (names.length > 0) {
    process.stderr.write(
      `docs/commands is not what the commands are (${names.join(", ")}): npm run build && npm run docs\n`,
    );
    process.exitCode = 1;
  }
} else {
  for (const name of stale) rmSync(new URL(name, FOLDER));
  for (const [name, text] of pages) writeFileSync(new URL(name, FOLDER), text);
  process.stdout.write(`${pages.size} pages in ${fileURLToPath(FOLDER)}\n`);
}
