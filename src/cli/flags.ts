import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";
import type { FlagInput } from "@oclif/core/interfaces";
import {
  located,
  SETTING_NAMES,
  type SettingName,
  type SettingSpec,
  settingNamesOf,
  settingSpec,
} from "../config/settings.js";
import { joinStores } from "../config/store-url.js";
import { CacheError } from "../errors.js";
import { formatDuration, parseDuration, parseSize, parseTtl } from "../units.js";

/** One flag for every setting, from its spec; values stay as typed until the settings are resolved. */
export const settingFlags: FlagInput = flagsOf(settingNamesOf());

/** The flags that one command has besides those. */
export function ownSettingFlags(command: "serve"): FlagInput {
  return flagsOf(settingNamesOf(command).filter((name) => settingSpec(name).command === command));
}

function flagsOf(names: readonly SettingName[]): FlagInput {
  return Object.fromEntries(
    names.map((name) => {
      const spec = settingSpec(name);
      const common = {
        summary: spec.fallback === undefined ? spec.summary : `${spec.summary} [default: ${spec.fallback}]`,
        ...(spec.command === undefined && { helpGroup: groupOf(spec) }),
        ...(spec.char !== undefined && { char: spec.char as "s" }),
      };
      return [spec.flag, spec.kind === "boolean" ? Flags.boolean(common) : textFlag(spec, common)];
    }),
  );
}

function groupOf({ invocation, flag }: SettingSpec): string {
  if (invocation) return "OUTPUT";
  return /^(?:redis|sentinel)-/.test(flag) ? "REDIS" : "STORE";
}

function textFlag(spec: SettingSpec, common: Common) {
  const text = {
    ...common,
    // The parser shows choices by itself.
    ...(spec.choices ? { options: [...spec.choices] } : { helpValue: spec.value ?? helpValue(spec.kind) }),
  };
  return spec.several ? repeatedFlag(text) : Flags.string(text);
}

function helpValue(kind: string): string {
  return { integer: "N", duration: "DURATION", ttl: "DURATION", size: "SIZE" }[kind] ?? "VALUE";
}

/** The settings among parsed flags, as typed. */
export function typedSettings(
  flags: Readonly<Record<string, unknown>>,
): Partial<Record<SettingName, string | boolean>> {
  const typed: Partial<Record<SettingName, string | boolean>> = {};
  for (const name of SETTING_NAMES) {
    const value = flags[settingSpec(name).flag];
    if (typeof value === "string" || typeof value === "boolean") typed[name] = value;
    else if (Array.isArray(value)) typed[name] = joinStores(value.map(String));
  }
  return typed;
}

/** Puts the flag's name before the message of what its value is refused for. */
function parsed<T>(name: string, parse: (text: string) => T): (text: string) => Promise<T> {
  return async (text) => located(`--${name}`, () => parse(text));
}

const definition = { size: Flags.custom<number>(), whole: Flags.custom<number>() };

interface Common {
  summary: string;
}

/** Milliseconds, or `none` and `keep` as they are. */
export const ttlFlag = (name: string, common: Common, words: readonly ("keep" | "none")[]) =>
  Flags.custom<number | "keep" | "none">()({
    ...common,
    helpValue: ["DURATION", ...words].join("|"),
    parse: parsed(name, (text) => {
      const word = words.find((w) => w === text);
      return word ?? parseTtl(text) ?? "none";
    }),
  });

/** Milliseconds, from `min` up. */
export const durationFlag = (name: string, common: Common & { min: number }) => {
  const { min, ...rest } = common;
  return definition.whole({
    ...rest,
    helpValue: "DURATION",
    parse: parsed(name, (text) => {
      const ms = parseDuration(text);
      if (ms >= min) return ms;
      throw new CacheError("usage", "invalid-duration", `"${text}" is less than ${formatDuration(min)}`, {
        hint: `Give ${formatDuration(min)} or more.`,
      });
    }),
  });
};

/** Bytes. */
export const sizeFlag = (name: string, common: Common) =>
  definition.size({ ...common, helpValue: "SIZE", parse: parsed(name, parseSize) });

/** A whole number from `min` (default 1) to `max`. */
export const countFlag = (name: string, common: Common & { min?: number; max?: number; helpValue?: string }) => {
  const { min = 1, max = Number.MAX_SAFE_INTEGER, helpValue: value = "N", ...rest } = common;
  return definition.whole({
    ...rest,
    helpValue: value,
    parse: parsed(name, (text) => {
      const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (number >= min && number <= max) return number;
      const bounded = max < Number.MAX_SAFE_INTEGER || number > max;
      const range = bounded ? `from ${min} to ${max}` : `of at least ${min}`;
      throw new CacheError("usage", "invalid-number", `"${text}" is not a whole number ${range}`, {
        hint: bounded ? `Give ${min} to ${max}.` : "Give it in digits.",
      });
    }),
  });
};

/** A percentage, 0 to 100; a trailing % may be there. */
export const percentFlag = (name: string, common: Common) =>
  definition.whole({
    ...common,
    helpValue: "PCT",
    parse: parsed(name, (text) => {
      const number = /^\d{1,3}(\.\d+)?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
      if (number >= 0 && number <= 100) return number;
      throw new CacheError("usage", "invalid-number", `"${text}" is not a percentage from 0 to 100`, {
        hint: "Write it like 80 or 99.5%.",
      });
    }),
  });

/** Items a second, `1000/s` or `1000`. */
export const rateFlag = (name: string, common: Common) =>
  definition.whole({
    ...common,
    helpValue: "N/s",
    parse: parsed(name, (text) => {
      const number = Number(/^([1-9]\d{0,11})(\/s)?$/.exec(text)?.[1]);
      if (number > 0) return number;
      throw new CacheError("usage", "invalid-rate", `"${text}" is not a rate`, { hint: "Write it like 1000/s." });
    }),
  });

/** Several by repeating the flag; never greedy, so that arguments may follow. */
export function repeatedFlag(common: Common & { helpValue?: string }) {
  return Flags.string({ ...common, multiple: true, multipleNonGreedy: true });
}

/** Arguments never come from standard input by themselves: `-` says so. */
export const severalArg = (common: { description: string }) =>
  Args.string({ ...common, multiple: true, ignoreStdin: true });
export const keyArg = (common: { description: string }) =>
  Args.string({ ...common, required: true, ignoreStdin: true });
export const optionalArg = (common: { description: string }) => Args.string({ ...common, ignoreStdin: true });

export const binaryKeysFlag = () =>
  repeatedFlag({ summary: "a key given as base64 of its bytes (repeatable)", helpValue: "BASE64" });

/** `-0`, as in xargs and sort; oclif reads it, but its type knows letters alone. */
export const nullFlag = (common: Common) => Flags.boolean({ ...common, char: "0" as "n" });

export { Flags };
