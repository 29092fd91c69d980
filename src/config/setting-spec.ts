/** How the text of a setting becomes a value. */
type SettingKind = "text" | "boolean" | "integer" | "duration" | "ttl" | "size" | "choice";

export interface SettingSpec {
  /** Long flag without dashes; the environment variable is `CACHE_` + the flag in capitals. */
  flag: string;
  char?: string;
  kind: SettingKind;
  choices?: readonly string[];
  summary: string;
  /** What stands for the value in help, where the kind does not say it. */
  value?: string;
  /** Bounds of a number, both allowed: entries, bytes, milliseconds. */
  min?: number;
  max?: number;
  /** What a text has to be: the name or address of a host, or the beginning of a key. */
  form?: "host" | "prefix";
  /** As a person would type it; absent = not set. */
  fallback?: string;
  /** The same for `cache serve` and what works on its store, where that is another. */
  servedFallback?: string;
  /** A variable that other tools use too: `ENABLE_…` wherever it is set, those of Redis only where Redis was asked for, see `load.ts`. */
  compatible?: string;
  /** Never shown; refused in config files. */
  secret?: boolean;
  /** A path, or JSON itself or an http(s) URL where that may be: relative ones in a config file start at its folder. A list in a config file is JSON. */
  path?: boolean | "or-json" | "or-url";
  /** May be given several times. */
  several?: boolean;
  /** The one command that has it; absent: all have. */
  command?: "serve";
  /** About one invocation, not about a cache: not listed in the settings of `info`. */
  invocation?: boolean;
}

/** The longest that a timer of Node can wait, in milliseconds: a longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
