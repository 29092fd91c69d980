import type { Command } from "@oclif/core/command";
import { SETTING_NAMES, settingSpec } from "../config/settings.js";
import type { Io } from "./io.js";

export interface Argv {
  argv: string[];
  /** Switches that were given as `--name=false`. */
  off: string[];
}

const SWITCH = /^--([^=]+)=(true|false)$/;

/**
 * `--read-only=false` is what switches off, for one call, what the environment or a file switched on. oclif would take the text after
 * the `=` of a switch for an argument, and so for a key.
 */
export function settleSwitches(argv: readonly string[], command: typeof Command): Argv {
  const flags = { ...command.baseFlags, ...command.flags };
  const end = argv.indexOf("--");
  const settled: Argv = { argv: [], off: [] };
  for (const [i, arg] of argv.entries()) {
    const [, name = "", value] = (end < 0 || i < end ? SWITCH.exec(arg) : undefined) ?? [];
    if (flags[name]?.type !== "boolean") settled.argv.push(arg);
    else if (value === "true") settled.argv.push(`--${name}`);
    else settled.off.push(name);
  }
  return settled;
}

/**
 * Takes settings that stand before the command (`cache -s redis://h get k`), as in redis-cli and kubectl. Anything that is no flag of a setting ends
 * them.
 */
export function splitLeading(argv: readonly string[]): { leading: string[]; words: string[] } {
  let i = 0;
  for (let arg = argv[i]; arg?.startsWith("-"); arg = argv[i]) {
    const [word = "", value] = arg.split("=", 2);
    const name = SETTING_NAMES.find(
      (one) => word === `--${settingSpec(one).flag}` || word === `-${settingSpec(one).char}`,
    );
    if (name === undefined) break;
    i += settingSpec(name).kind === "boolean" || value !== undefined ? 1 : 2;
  }
  return i < argv.length ? { leading: argv.slice(0, i), words: argv.slice(i) } : { leading: [], words: [...argv] };
}

/**
 * Whether a switch is on as far as can be told before the flags are parsed, so that also a mistake in them is told in the form that
 * was asked for.
 */
export function saidBeforeParsing(name: string, argv: readonly string[], env: Io["env"]): boolean {
  const end = argv.indexOf("--");
  if ((end < 0 ? argv : argv.slice(0, end)).includes(`--${name}`)) return true;
  return /^(1|true|yes|on)$/i.test(env[`CACHE_${name.toUpperCase()}`] ?? "");
}
