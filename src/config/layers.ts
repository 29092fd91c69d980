import type { ConfigFile, FileSearch } from "./files.js";
import type { SettingName, SettingValue } from "./settings.js";
import type { RedisTarget, StoreTarget } from "./store-url.js";

export type Layer = "default" | "user" | "project" | "environment" | "flag";

/** Where a value came from. */
export interface Source {
  layer: Layer;
  /** `--store`, `CACHE_STORE`, `/home/me/app/cache.config.json (profile prod)`, `default`. */
  where: string;
  /** The config file that said it. */
  file?: ConfigFile;
  /** The profile in it, if one said it. */
  profile?: string;
}

export interface Setting {
  value: SettingValue;
  source: Source;
}

/** What the settings are read from; nothing else of the process is looked at. */
export interface ConfigInput extends FileSearch {
  /** The command, where it has settings of its own, or the defaults of that one. */
  command?: "serve" | "purge";
  flags: Partial<Record<SettingName, string | boolean>>;
  /**
   * The password, where a setting says to take it from standard input or to ask for it.
   * @param noInput nobody may be asked
   * @param server where it will be sent, so that who types it knows
   */
  readSecret?: (from: "stdin" | "prompt", noInput: boolean, server: string) => Promise<string>;
}

/** Undefined where nobody said anything and there is no default. */
export type Settings = Record<SettingName, Setting | undefined>;

/** Something that says to which server a secret would be sent, or whom to take for it. */
export interface AddressPart {
  source: Source;
  /** The setting, where it is not the URL or the host. */
  name?: SettingName;
}

/** The stores, and the settings that are in force with them. */
export interface Chosen {
  source: Source;
  settings: Settings;
  /** All stores, fastest first. */
  stores: readonly StoreTarget[];
  /** The one of them that user, password and TLS files are for; absent where there is none, or more than one. */
  redis?: RedisTarget;
  /** Where the server's URL stands, if one names it. */
  url?: Source;
  /** All that makes up the address of a server and the trust in it; empty for a store on this machine's disk. */
  address: readonly AddressPart[];
}

/** A higher layer beats a lower one. */
export const RANK: Record<Layer, number> = { default: 0, user: 1, project: 2, environment: 3, flag: 4 };

/** Was the setting made in a higher layer than the source? Then it beats what the source says of the same. */
export function outranks(setting: Setting | undefined, source: Source): boolean {
  return setting !== undefined && RANK[setting.source.layer] > RANK[source.layer];
}
