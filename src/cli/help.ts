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

  protected override examples(examples: Command.Example[] | string | undefined): string | undefined {
    if (!Array.isArray(examples)) return undefined;
    return examples.map((example) => `$ ${String(example).replaceAll("<%= config.bin %>", BIN)}`).join("\n");
  }

  /** oclif trims the whole list, and with it the indentation of its first line. */
  override renderList(...[input, options]: Parameters<CommandHelp["renderList"]>): string {
    const indentation = /^ */.exec(input[0]?.[0] ?? "")?.[0] ?? "";
    return indentation + super.renderList(input, options);
  }

  about(): string {
    const { summary, description } = this.command;
    return this.wrap([summary, description].filter(Boolean).join("\n\n"));
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
    ...(command.summary !== undefined && { summary: command.summary }),
    ...(command.description !== undefined && { description: command.description }),
    usage: usageOf(command, id),
    strict: true,
    load: async () => command,
  };
  const help = new ExamplesFirst(described, host, { maxWidth: 100, flagSortOrder: "none" });
  const text = `${help.about()}\n\n${help.generate()}\n`;
  return colour ? text : stripVTControlCharacters(text);
}

/** `cache set KEY [VALUE] [FLAGS]`, from the arguments. */
export function usageOf(command: Command.Class, id: string): string {
  const args = Object.entries(command.args).map(([name, { required, multiple }]) => {
    const word = multiple ? `${name.replace(/s$/, "").toUpperCase()}...` : name.toUpperCase();
    return required ? word : `[${word}]`;
  });
  return [id.replaceAll(":", " "), ...args, "[FLAGS]"].join(" ");
}

export interface CommandLine {
  id: string;
  summary: string;
}

export const OVERVIEW_EXAMPLES: readonly string[] = [
  `${BIN} warm examples/products.json`,
  `${BIN} get product:1`,
  `${BIN} keys --prefix product:`,
  `${BIN} invalidate --prefix product: --dry-run`,
  `${BIN} stats --store redis://127.0.0.1:6379`,
];

/** What `cache` and `cache --help` show. */
export function rootHelp(commands: readonly CommandLine[], out: Output): string {
  const title = (text: string) => out.style.bold(text);
  const width = Math.max(...commands.map(({ id }) => id.length)) + 2;
  const list = commands.map(({ id, summary }) => `  ${id.replaceAll(":", " ").padEnd(width)}${summary}`);
  return `Look into, fill and empty caches: SQLite, files, Redis.

${title("EXAMPLES")}
${OVERVIEW_EXAMPLES.map((example) => `  $ ${example}`).join("\n")}

${title("USAGE")}
  $ ${BIN} COMMAND [ARGUMENTS] [FLAGS]

${title("COMMANDS")}
${list.join("\n")}

Without --store, the cache is a SQLite file in your cache folder; "${BIN} info" says where.
Help of a command: ${BIN} COMMAND --help
`;
}
