import type { Command } from "@oclif/core/command";
import { environmentNames, SETTING_NAMES, settingSpec } from "../config/settings.js";
import { BIN, type CommandTable } from "./command-host.js";
import { EXIT } from "./exit-codes.js";
import { usageOf } from "./help.js";

export interface FlagReference {
  /** Without dashes. */
  name: string;
  char?: string;
  summary: string;
  /** What stands for its value; absent for a switch. */
  value?: string;
  options?: readonly string[];
  repeatable: boolean;
  required: boolean;
  /** `STORE`, `REDIS`, `OUTPUT`: where the help of a command has it, beside the flags of its own. */
  group?: string;
  /** Of a setting: the variable, and the key in a config file where it has one. */
  environment?: string;
  configKey?: string;
}

export interface ArgumentReference {
  name: string;
  description: string;
  required: boolean;
  repeatable: boolean;
  options?: readonly string[];
}

export interface CommandReference {
  /** `config show`. */
  name: string;
  /** `cache config show [FLAGS]`. */
  usage: string;
  summary: string;
  description?: string;
  examples: readonly string[];
  args: readonly ArgumentReference[];
  /** Those that not every command has. */
  flags: readonly FlagReference[];
}

export interface Reference {
  commands: readonly CommandReference[];
  /** The flags that every command has: the settings. */
  flags: readonly FlagReference[];
  /** Variables that no flag stands for. */
  variables: readonly { name: string; meaning: string }[];
  exitCodes: readonly { code: number; meaning: string }[];
}

/** All that the program can be told to do, as its manual page and `docs/commands/` tell it. */
export async function referenceOf(table: CommandTable): Promise<Reference> {
  const commands = await Promise.all(
    Object.entries(table).map(async ([id, load]) => ({ id, command: (await load()).default })),
  );
  const common = commands[0]?.command.baseFlags ?? {};
  return {
    commands: commands.map(({ id, command }) => commandReference(id, command)),
    flags: Object.entries(common).map(([name, flag]) => flagReference(name, flag)),
    variables: VARIABLES,
    exitCodes: Object.values(EXIT).map((code) => ({ code, meaning: MEANINGS[code] })),
  };
}

const VARIABLES: Reference["variables"] = [
  { name: "CACHE_COMPLETION_TIMEOUT", meaning: "how long completion waits for a store at a press of Tab (350ms)" },
  { name: "NO_COLOR", meaning: "no colours, as --no-color" },
  { name: "FORCE_COLOR", meaning: "colours also where output goes to no terminal" },
];

const MEANINGS: Readonly<Record<(typeof EXIT)[keyof typeof EXIT], string>> = {
  [EXIT.done]: "done; zero matches are done too, and so is serve after SIGTERM",
  [EXIT.failure]: "failure, also of the store itself, or a port in use",
  [EXIT.usage]: "usage, settings or files that can't be right: trying again changes nothing",
  [EXIT.miss]:
    "a miss (get, exists, touch), an unmet --if-absent or --if-present, nothing matched with --fail-if-none, a threshold not met",
  [EXIT.authentication]: "the store refused who we are",
  [EXIT.unreachable]: "the store can't be reached, or did not answer in time",
  [EXIT.partial]: "partly done: the output says what is not",
  [EXIT.refused]: "refused: it needs --yes or --confirm, or nothing may be written here",
  [EXIT.interrupted]: "stopped by Ctrl-C at a safe point",
  [EXIT.terminated]: "ended by SIGTERM",
};

function commandReference(id: string, command: typeof Command): CommandReference {
  return {
    name: id.replaceAll(":", " "),
    usage: `${BIN} ${usageOf(command, id)}`,
    summary: command.summary ?? "",
    ...(command.description !== undefined && { description: command.description }),
    examples: (command.examples ?? []).map((example) => String(example).replaceAll("<%= config.bin %>", BIN)),
    args: Object.entries(command.args).map(([name, { description = "", required, multiple, options }]) => ({
      name: (multiple ? name.replace(/s$/, "") : name).toUpperCase(),
      description,
      required: required === true,
      repeatable: multiple === true,
      ...(options !== undefined && { options }),
    })),
    // A command without flags of its own has none at all here.
    flags: Object.entries({ ...command.flags })
      .filter(([, { hidden }]) => hidden !== true)
      .map(([name, flag]) => flagReference(name, flag)),
  };
}

type OclifFlag = (typeof Command)["flags"][string];

function flagReference(name: string, flag: OclifFlag): FlagReference {
  const setting = SETTING_NAMES.find((one) => settingSpec(one).flag === name);
  const spec = setting && settingSpec(setting);
  const environment = spec && environmentNames(spec).at(-1);
  const inFiles = setting !== undefined && !spec?.secret && setting !== "askPassword";
  return {
    name,
    summary: flag.summary ?? "",
    repeatable: flag.type === "option" && flag.multiple === true,
    required: flag.required === true,
    ...(flag.char !== undefined && { char: flag.char }),
    ...(flag.helpGroup !== undefined && { group: flag.helpGroup }),
    ...(flag.type === "option" && { value: placeholderOf(flag) }),
    ...(flag.type === "option" && flag.options !== undefined && { options: flag.options }),
    ...(environment !== undefined && { environment }),
    ...(inFiles && { configKey: setting }),
  };
}

function placeholderOf({ helpValue, options }: { helpValue?: unknown; options?: readonly string[] }): string {
  return options ? options.join("|") : helpValue === undefined ? "VALUE" : String(helpValue);
}
