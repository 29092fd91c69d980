import { type ConfigFile, findConfigFiles, homeOf } from "../../config/files.js";
import type { ConfigInput } from "../../config/layers.js";
import { loadConfig } from "../../config/load.js";
import type { SettingName } from "../../config/settings.js";
import { redactUrl, resolvePath, splitStores } from "../../config/store-url.js";
import type { CommandTable } from "../command-host.js";
import { typedSettings } from "../flags.js";
import type { Io } from "../io.js";
import { REDIS_TYPES } from "../selection.js";
import { type KeyList, keysOf } from "./keys.js";
import type { KnownFlag, Typed, Wanted } from "./typed.js";

export interface Candidate {
  value: string;
  about?: string;
  /** More of the same word follows: no space after it. */
  open?: boolean;
}

export interface Answer {
  /** What stays in front of each candidate, and of the name of each file: it is part of the same word. */
  keep: string;
  candidates: readonly Candidate[];
  /** There are others, which may have less in common with what is typed. */
  cut: boolean;
  /** The shell's own completion of names is wanted. */
  names?: "files" | "folders";
}

export const NOTHING: Answer = { keep: "", candidates: [], cut: false };

/** What could stand at the cursor. @throws what the settings and the store say */
export async function candidatesFor(typed: Typed, io: Io, table: CommandTable): Promise<Answer> {
  const { wanted, prefix } = typed;
  const begun = (candidates: readonly Candidate[], keep = "", cut = false): Answer => ({
    keep,
    candidates: candidates.filter(({ value }) => value.startsWith(prefix)),
    cut,
  });
  switch (wanted.what) {
    case "commands": {
      const commands = begun(await commandsOf(table, wanted.topic));
      if (!wanted.also) return commands;
      const also = await candidatesFor({ ...typed, wanted: wanted.also }, io, table);
      return { ...also, candidates: [...commands.candidates, ...also.candidates] };
    }
    case "flags":
      return begun(wanted.flags.map(({ name, summary }) => ({ value: `--${name}`, ...about(summary) })));
    case "value":
      return valuesOf(wanted, typed, io);
    case "argument": {
      const { name, options } = wanted.argument;
      if (options) return begun(options.map((value) => ({ value })));
      if (/^files?$/.test(name)) return { ...NOTHING, names: "files" };
      if (/^keys?$/.test(name)) return keysAnswer(await keysOf(inputOf(typed, io), typed, io.clock));
      return NOTHING;
    }
    case "nothing":
      return NOTHING;
  }
}

async function valuesOf({ flag, keep }: Extract<Wanted, { what: "value" }>, typed: Typed, io: Io): Promise<Answer> {
  const { prefix } = typed;
  const from = (candidates: readonly Candidate[]): Answer => ({
    keep,
    candidates: candidates.filter(({ value }) => value.startsWith(prefix)),
    cut: false,
  });
  const texts = (values: Iterable<string>) => from([...new Set(values)].map((value) => ({ value })));
  if (flag.options) return texts(flag.options);
  if (flag.helpValue === "FILE") return { ...NOTHING, keep, names: "files" };
  if (flag.helpValue === "FOLDER") return { ...NOTHING, keep, names: "folders" };
  if (flag.helpValue === "TYPE") return texts(REDIS_TYPES);
  switch (flag.name) {
    case "profile":
      return texts((await filesOf(io)).flatMap(({ profiles }) => Object.keys(profiles)));
    case "namespace":
      return texts((await filesOf(io)).flatMap((file) => saidIn(file, "namespace")));
    case "store":
    case "fallback":
      return storesAnswer(flag, keep, prefix, await storesOf(io));
    case "tier":
      return texts((await loadConfig(withoutTier(inputOf(typed, io)))).tiers.map(({ name }) => name));
    case "prefix":
      if (typed.id === "warm" || typed.id === "purge") return NOTHING;
      return { ...keysAnswer(partsOf(await keysOf(inputOf(typed, io), typed, io.clock), prefix)), keep };
    default:
      return NOTHING;
  }
}

function about(summary: string | undefined): { about?: string } {
  return summary === undefined ? {} : { about: summary };
}

async function commandsOf(table: CommandTable, topic: string | undefined): Promise<Candidate[]> {
  const under = topic === undefined ? "" : `${topic}:`;
  const words = new Map<string, string>();
  for (const id of Object.keys(table)) {
    if (!id.startsWith(under)) continue;
    const [word = "", ...deeper] = id.slice(under.length).split(":");
    if (deeper.length === 0 || !words.has(word)) words.set(word, deeper.length === 0 ? id : "");
  }
  if (topic === undefined) words.set("help", "");
  return Promise.all(
    [...words].map(async ([value, id]) => {
      const command = Object.hasOwn(table, id) ? await table[id]?.() : undefined;
      const topics = Object.keys(table).filter((one) => one.startsWith(`${value}:`));
      const said =
        command?.default.summary ?? (value === "help" ? "show help" : topics.join(", ").replaceAll(":", " "));
      return { value, about: said };
    }),
  );
}

/** What the settings are resolved from; nobody is asked for a password, and standard input is not read. */
function inputOf({ id, flags }: Typed, { env, cwd, uid }: Io): ConfigInput {
  return { flags: typedSettings(flags), env, cwd, uid, ...((id === "serve" || id === "purge") && { command: id }) };
}

function withoutTier(input: ConfigInput): ConfigInput {
  const { tier: _, ...flags } = input.flags;
  return { ...input, flags };
}

function filesOf({ env, cwd, uid }: Io): Promise<ConfigFile[]> {
  return findConfigFiles({ env, cwd, uid }, () => undefined);
}

/** What a file and its profiles say of a setting. */
function saidIn({ values, profiles }: ConfigFile, name: SettingName): string[] {
  return [values, ...Object.values(profiles)].flatMap((section) => {
    const value = section[name];
    return value === undefined || value === null ? [] : [String(value)];
  });
}

/** The stores that config files name, but those with a password: it would be shown, and masked it is no use. */
async function storesOf(io: Io): Promise<string[]> {
  return (await filesOf(io)).flatMap((file) =>
    [...saidIn(file, "store").flatMap(splitStores), ...saidIn(file, "fallback")]
      .filter((url) => redactUrl(url) === url)
      .map((url) => (file.folder === io.cwd ? url : fromElsewhere(url, file.folder, homeOf(io.env)))),
  );
}

/** A relative path starts at the folder of its config file. */
function fromElsewhere(url: string, folder: string, home: string): string {
  const [, scheme = "", path = "", query = ""] = /^((?:sqlite|file):(?:\/\/)?)([^?]*)(.*)$/is.exec(url) ?? [];
  return path === "" ? url : `${scheme}${resolvePath(path, folder, home)}${query}`;
}

const KINDS: readonly Candidate[] = [
  { value: "sqlite:", about: "a file", open: true },
  { value: "file:", about: "a folder", open: true },
  { value: "redis://", about: "a Redis server", open: true },
  { value: "rediss://", about: "a Redis server, by TLS", open: true },
  { value: "redis+sentinel://", about: "Redis behind Sentinels", open: true },
  { value: "redis+cluster://", about: "a Redis cluster", open: true },
  { value: "http://", about: "the admin API of a cache serve", open: true },
  { value: "https://", about: "the admin API of a cache serve", open: true },
  { value: "memory:", about: "in the process" },
];

function storesAnswer(flag: KnownFlag, keep: string, prefix: string, stores: readonly string[]): Answer {
  const named: Candidate[] = [...new Set(stores)].map((value) => ({ value }));
  const all = [...named, ...KINDS.filter(({ value }) => flag.name === "store" || value !== "memory:")];
  const [scheme, kind] = /^(sqlite|file):(?:\/\/)?/.exec(prefix) ?? [];
  const candidates = all.filter(({ value }) => value.startsWith(prefix) && value !== prefix);
  if (scheme === undefined) return { keep, candidates, cut: false };
  return {
    keep: `${keep}${candidates.length > 0 ? "" : scheme}`,
    candidates,
    cut: false,
    ...(candidates.length === 0 && { names: kind === "file" ? "folders" : "files" }),
  };
}

function keysAnswer({ keys, cut }: KeyList): Answer {
  return { keep: "", candidates: keys.map((value) => ({ value })), cut };
}

/** Keys up to the next `:`, which is what most prefixes end with. */
function partsOf({ keys, cut }: KeyList, prefix: string): KeyList {
  const parts = keys.map((key) => key.slice(0, key.indexOf(":", prefix.length) + 1) || key);
  return { keys: [...new Set(parts)], cut };
}
