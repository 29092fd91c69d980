import { stripVTControlCharacters } from "node:util";
import { type Command, CommandHelp } from "@oclif/core";
import { BIN, type CommandHost } from "./command-host.js";
import type { Output } from "./output.js";

/** oclif's help of a command, with the examples first: what most people look for. */
class ExamplesFirst extends CommandHelp {
  protected override sections() {
    const sections = super.sections();
    const rank = (header: string) => ["EXAMPLES", "USAGE", "ARGUMENTS", "FLAGS", "STORE FLAGS"].indexOf(header);
    const place = (header: string) => (rank(header) < 0 ? (/ FLAGS$/.test(header) ? 6 : 5) : rank(header));
    return sections.filter(({ header }) => header !== "DESCRIPTION").sort((a, b) => place(a.header) - place(b.header));
  }
}

export function commandHelp(command: Command.Class, id: string, host: CommandHost, colour: boolean): string {
  const named = <T extends object>(parts: Record<string, T>) =>
    Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, { ...part, name }]));
  const described: Command.Loadable = {
    id: id.replaceAll(":", " "),
    aliases: [],
    hidden: false,
    hiddenAliases: [],
    args: named(command.args),
    flags: named({ ...command.flags, ...command.baseFlags }),
    examples: command.examples,
    strict: true,
    load: async () => command,
  };
  const help = new ExamplesFirst(described, host, { maxWidth: 100, flagSortOrder: "none", docopts: false }).generate();
  const text = `${[command.summary, command.description].filter(Boolean).join("\n\n")}\n\n${help}\n`;
  return colour ? text : stripVTControlCharacters(text);
}

export interface CommandLine {
  id: string;
  summary: string;
}

const EXAMPLES = `  $ ${BIN} warm examples/products.json
  $ ${BIN} get product:1
  $ ${BIN} keys --prefix product:
  $ ${BIN} invalidate --prefix product: --dry-run
  $ ${BIN} stats --store redis://127.0.0.1:6379`;

/** What `cache` and `cache --help` show. */
export function rootHelp(commands: readonly CommandLine[], out: Output): string {
  const title = (text: string) => out.style.bold(text);
  const width = Math.max(...commands.map(({ id }) => id.length)) + 2;
  const list = commands.map(({ id, summary }) => `  ${id.replaceAll(":", " ").padEnd(width)}${summary}`);
  return `Look into, fill and empty caches: SQLite, files, Redis.

${title("EXAMPLES")}
${EXAMPLES}

${title("USAGE")}
  $ ${BIN} COMMAND [ARGUMENTS] [FLAGS]

${title("COMMANDS")}
${list.join("\n")}

Without --store, the cache is a SQLite file in your cache folder; "${BIN} info" says where.
Help of a command: ${BIN} COMMAND --help
`;
}
