import { BIN } from "./command-host.js";
import { OVERVIEW_EXAMPLES } from "./help.js";
import type { ArgumentReference, CommandReference, FlagReference, Reference } from "./reference.js";

/** What troff would take for something else (groff_char(7)): its own escape, quotes and what it draws as typographic signs. */
const SPECIAL: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  '"': "\\(dq",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Text as it is, wherever it stands: in a line of its own, after a macro, or as its argument. */
function plain(text: string): string {
  const escaped = Array.from(text.replaceAll(/\s+/g, " "), (char) => {
    if (char > "~") return `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`;
    return char < " " ? " " : (SPECIAL[char] ?? char);
  }).join("");
  // A line that begins with a dot is a request.
  return escaped.startsWith(".") ? `\\&${escaped}` : escaped;
}

const bold = (text: string) => `\\fB${plain(text)}\\fR`;
const italic = (text: string) => `\\fI${plain(text)}\\fR`;

const example = (lines: readonly string[]) => [
  ".PP",
  ".RS 4",
  ".EX",
  ...lines.flatMap((line) => line.split("\n")).map((line) => `$ ${plain(line)}`),
  ".EE",
  ".RE",
];

/** `cache.1`: a manual page in troff with the man macros (groff_man(7)), of all commands. */
export function manualPage({ commands, flags, variables, exitCodes }: Reference, version: string): string {
  const groups = [...new Set(flags.map(({ group = "" }) => group))];
  const settings = flags.filter(({ environment }) => environment !== undefined);
  const lines = [
    `.TH ${BIN.toUpperCase()} 1 "" "cachectl ${plain(version)}" "User Commands"`,
    ".nh",
    ".SH NAME",
    `${BIN} \\- look into, fill and empty caches: SQLite, files, Redis`,
    ".SH SYNOPSIS",
    `${bold(BIN)} ${italic("COMMAND")} [${italic("ARGUMENTS")}] [${italic("FLAGS")}]`,
    ".br",
    `${bold(BIN)} ${italic("COMMAND")} ${bold("--help")}`,
    ".SH EXAMPLES",
    ...example(OVERVIEW_EXAMPLES).slice(1),
    ".SH DESCRIPTION",
    plain(`Without --store, the cache is a SQLite file in your cache folder; "${BIN} info" says where.`),
    plain(
      "Data goes to standard output; progress, warnings and questions to standard error. Off a terminal nothing is asked: what needs an answer is refused.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap(commandPart),
    ".SH FLAGS OF ALL COMMANDS",
    ...groups.flatMap((group) => [
      `.SS ${plain(title(group))}`,
      ...flags.filter((flag) => (flag.group ?? "") === group).flatMap(flagPart),
    ]),
    ".SH VALUES",
    plain("A duration is like 500ms, 30s, 1h30m, 7d or none; a bare number is seconds. A size is like 10MB or 10MiB."),
    ".SH ENVIRONMENT",
    plain(
      "A flag that is a setting also has a variable, and most have a key in config files. Flags beat variables, variables the project's file, that one the user's file, and all of them the defaults.",
    ),
    ...settings.flatMap(({ environment = "", name, configKey }) => [
      ".TP",
      bold(environment),
      `as ${bold(`--${name}`)}${configKey === undefined ? "" : `; in files ${bold(configKey)}`}`,
    ]),
    ...variables.flatMap(({ name, meaning }) => [".TP", bold(name), plain(meaning)]),
    ".SH FILES",
    ".TP",
    italic("cache.config.json"),
    plain(
      "settings of a project: looked for from the working directory upwards, as far as the repository's root or the home folder",
    ),
    ".TP",
    italic("~/.config/cachectl/cache.config.json"),
    plain("settings of the user; under XDG_CONFIG_HOME where that is set"),
    ".TP",
    italic("~/.cache/cachectl/cache.db"),
    plain("the store where none is named; under XDG_CACHE_HOME where that is set, on macOS in ~/Library/Caches"),
    ".SH EXIT STATUS",
    ...exitCodes.flatMap(({ code, meaning }) => [".TP", bold(String(code)), plain(meaning)]),
    ".SH SEE ALSO",
    `${bold("redis-cli")}(1), ${bold("sqlite3")}(1)`,
  ];
  return `${lines.join("\n")}\n`;
}

function title(group: string): string {
  return group === "" ? "Others" : `${group.charAt(0)}${group.slice(1).toLowerCase()}`;
}

function commandPart({ name, usage, summary, description, examples, args, flags }: CommandReference): string[] {
  return [
    `.SS ${BIN} ${plain(name)}`,
    plain(summary),
    ".PP",
    bold(usage),
    ...(description === undefined ? [] : [".PP", plain(description)]),
    ...args.flatMap(argumentPart),
    ...flags.flatMap(flagPart),
    ...example(examples),
  ];
}

function argumentPart({ name, description, options }: ArgumentReference): string[] {
  return [".TP", italic(name), plain(options ? `${description}: ${options.join(", ")}` : description)];
}

function flagPart({ name, char, value, summary }: FlagReference): string[] {
  const short = char === undefined ? "" : `${bold(`-${char}`)}, `;
  return [".TP", `${short}${bold(`--${name}`)}${value === undefined ? "" : ` ${italic(value)}`}`, plain(summary)];
}
