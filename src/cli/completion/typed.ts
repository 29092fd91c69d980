import type { Command } from "@oclif/core/command";
import { splitLeading } from "../argv.js";
import type { CommandTable } from "../command-host.js";

/** A flag as completion looks at it. */
export interface KnownFlag {
  name: string;
  char?: string;
  summary?: string;
  takesValue: boolean;
  repeatable: boolean;
  options?: readonly string[];
  /** `FILE`, `URL`: what stands for the value in help. */
  helpValue?: string;
}

interface KnownArgument {
  name: string;
  options?: readonly string[];
}

/** What is to be completed. `keep` is the part of the word that stays in front of it. */
export type Wanted =
  | { what: "commands"; topic?: string; also?: Wanted }
  | { what: "flags"; flags: readonly KnownFlag[] }
  | { what: "value"; flag: KnownFlag; keep: string }
  | { what: "argument"; argument: KnownArgument }
  | { what: "nothing" };

/** A command line, as far as it is typed. */
export interface Typed {
  /** `config:show`; absent while none is named. */
  id?: string;
  /** Flags with their values, as the parser gives them. */
  flags: Readonly<Record<string, string | string[] | boolean>>;
  wanted: Wanted;
  /** `--` stands before it: no word is a flag any more. */
  ended: boolean;
  /** The word to be completed, without `keep`. */
  prefix: string;
}

/** Flags of a command and its arguments, in the order of its help. */
function describe(command: typeof Command): { flags: KnownFlag[]; args: KnownArgument[] } {
  const flags = Object.entries({ ...command.flags, ...command.baseFlags }).flatMap(([name, flag]): KnownFlag[] => {
    if (flag.hidden) return [];
    const takesValue = flag.type === "option";
    return [
      {
        name,
        takesValue,
        repeatable: takesValue && flag.multiple === true,
        ...(flag.char !== undefined && { char: flag.char }),
        ...(flag.summary !== undefined && { summary: flag.summary }),
        ...(takesValue && flag.options !== undefined && { options: flag.options }),
        ...(takesValue && flag.helpValue !== undefined && { helpValue: String(flag.helpValue) }),
      },
    ];
  });
  const args = Object.entries(command.args).map(([name, arg]): KnownArgument => {
    return { name, ...(arg.options !== undefined && { options: arg.options }) };
  });
  return { flags, args };
}

/**
 * Reads a command line that is not finished, and may be wrong: what can't be made out is passed over.
 * @param words those before the one at the cursor, after the name of the program
 */
export async function readTyped(words: readonly string[], current: string, table: CommandTable): Promise<Typed> {
  // The word at the cursor may be the value of a leading flag; a word that is none ends those.
  const { leading, words: rest } = splitLeading([...words, current, "."]);
  const after = rest.slice(0, -1);
  const given = after.slice(0, -1);
  const helped = given[0] === "help" ? given.slice(1) : given;
  const isHelp = given[0] === "help";
  if (after.length === 0 || given[0]?.startsWith("-")) return scan("", words, current, await settingsOf(table));
  if (helped.length === 0) {
    const { flags } = scan("", leading, "", await settingsOf(table));
    if (!current.startsWith("-") || isHelp)
      return { flags, wanted: { what: "commands" }, prefix: current, ended: false };
    const known = [...(await settingsOf(table)).flags, HELP, VERSION];
    return { flags, wanted: { what: "flags", flags: known }, prefix: current, ended: false };
  }
  const nested = `${helped[0]}:${helped[1]}`;
  const id = Object.hasOwn(table, nested) ? nested : (helped[0] ?? "");
  const own = helped.slice(id === nested ? 2 : 1);
  const isTopic = Object.keys(table).some((name) => name.startsWith(`${id}:`));
  const load = Object.hasOwn(table, id) ? table[id] : undefined;
  const subcommands: Wanted = { what: "commands", topic: id };
  if (!load) {
    const wanted: Wanted = isTopic && own.length === 0 ? subcommands : { what: "nothing" };
    return { flags: {}, wanted, prefix: current, ended: false };
  }
  if (isHelp) return { flags: {}, wanted: isTopic ? subcommands : { what: "nothing" }, prefix: current, ended: false };
  const { default: command } = await load();
  const typed = scan(id, [...leading, ...own], current, describe(command));
  if (isTopic && own.length === 0 && !current.startsWith("-")) typed.wanted = { ...subcommands, also: typed.wanted };
  return typed;
}

const HELP: KnownFlag = {
  name: "help",
  char: "h",
  summary: "show help",
  takesValue: false,
  repeatable: false,
};
const VERSION: KnownFlag = {
  name: "version",
  char: "v",
  summary: "show the version",
  takesValue: false,
  repeatable: false,
};

interface Described {
  flags: readonly KnownFlag[];
  args: readonly KnownArgument[];
}

/** The flags that every command has. */
async function settingsOf(table: CommandTable): Promise<Described> {
  const command = await table.get?.();
  const { flags } = command ? describe(command.default) : { flags: [] };
  return { flags: flags.filter(({ name }) => Object.hasOwn(command?.default.baseFlags ?? {}, name)), args: [] };
}

function scan(id: string, words: readonly string[], current: string, { flags: own, args }: Described): Typed {
  const known = [...own, HELP];
  const flags: Record<string, string | string[] | boolean> = {};
  let positional = 0;
  let ended = false;
  let open: KnownFlag | undefined;
  const take = ({ name, repeatable }: KnownFlag, value: string) => {
    const before = flags[name];
    flags[name] = repeatable ? [...(Array.isArray(before) ? before : []), value] : value;
  };
  for (const word of words) {
    if (open) {
      take(open, word);
      open = undefined;
    } else if (ended || word === "-" || !word.startsWith("-")) positional++;
    else if (word === "--") ended = true;
    else {
      const found = flagOf(word, known);
      if (!found) continue;
      const { flag, value } = found;
      if (!flag.takesValue) flags[flag.name] = value !== "false";
      else if (value === undefined) open = flag;
      else take(flag, value);
    }
  }
  const typed = (wanted: Wanted, prefix: string): Typed => ({
    ...(id !== "" && { id }),
    flags,
    wanted,
    ended,
    prefix,
  });
  if (open) return typed({ what: "value", flag: open, keep: "" }, current);
  if (!ended && current.startsWith("-")) {
    const found = flagOf(current, known);
    if (found?.flag.takesValue && found.value !== undefined) {
      const keep = current.slice(0, current.length - found.value.length);
      return typed({ what: "value", flag: found.flag, keep }, found.value);
    }
    const free = known.filter(({ name, repeatable }) => repeatable || !Object.hasOwn(flags, name));
    return typed({ what: "flags", flags: free }, current);
  }
  const argument = args[Math.min(positional, args.length - 1)];
  const fits = argument && (positional < args.length || argument.name.endsWith("s"));
  return typed(fits ? { what: "argument", argument } : { what: "nothing" }, current);
}

/** `--name`, `--name=value`, `-n`, `-nvalue`, `-n=value`. */
function flagOf(word: string, known: readonly KnownFlag[]): { flag: KnownFlag; value?: string } | undefined {
  const [, name, char, stuck] = /^(?:--([^=]+)|-([^-=]))(?:=?([\s\S]*))$/.exec(word) ?? [];
  const flag = known.find((one) => (name === undefined ? one.char === char : one.name === name));
  if (!flag) return undefined;
  const given = word.includes("=") || (name === undefined && stuck !== "");
  return { flag, ...(given && stuck !== undefined && { value: stuck }) };
}
