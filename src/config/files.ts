import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { WarningListener } from "../events.js";

export const CONFIG_FILE_NAME = "cache.config.json";

/** Where files are looked for. */
export interface FileSearch {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Our user id, where the system has them: a project file of another user is ignored. */
  uid?: number | undefined;
}

type Values = Readonly<Record<string, string | number | boolean | null>>;

/** A config file as read and checked; values still as typed. */
export interface ConfigFile {
  path: string;
  folder: string;
  layer: "project" | "user";
  values: Values;
  profiles: Readonly<Record<string, Values>>;
}

/**
 * The project's config file, found from the working directory upwards to the repository's root or the home folder, and the user's.
 * A project file that belongs to another user is ignored, with a warning.
 * @throws CacheError `invalid-config` with the place of the mistake
 */
export async function findConfigFiles(input: FileSearch, warn: WarningListener): Promise<ConfigFile[]> {
  const found: ConfigFile[] = [];
  const project = projectFile(input.cwd, resolve(homeOf(input.env)));
  if (project !== undefined) {
    const owner = statSync(project).uid;
    if (input.uid !== undefined && owner !== input.uid) {
      warn({
        type: "warning",
        code: "config-of-another-user",
        message: `${project} belongs to another user and is ignored`,
        hint: "Copy it if you trust what it says.",
      });
    } else found.push(await readConfigFile(project, "project"));
  }
  const user = userFile(input.env);
  if (user !== project && existsSync(user)) found.push(await readConfigFile(user, "user"));
  return found;
}

/** The user's home folder. An empty HOME is none, also for Node, whose `homedir` gives it back: the user database knows. */
export function homeOf(env: FileSearch["env"]): string {
  return env.HOME || homedir() || userInfo().homedir;
}

/** Where the user's own config file is, whether it is there or not. */
function userFile(env: FileSearch["env"]): string {
  const folder = env.XDG_CONFIG_HOME || join(homeOf(env), ".config");
  return join(folder, "cachectl", CONFIG_FILE_NAME);
}

function projectFile(cwd: string, home: string): string | undefined {
  let folder = cwd;
  for (;;) {
    const path = join(folder, CONFIG_FILE_NAME);
    if (existsSync(path)) return path;
    const parent = dirname(folder);
    if (folder === home || parent === folder || existsSync(join(folder, ".git"))) return undefined;
    folder = parent;
  }
}

/** Reads and checks one file. zod is loaded only here, so that a command without a config file starts without it. */
export async function readConfigFile(path: string, layer: "project" | "user"): Promise<ConfigFile> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new CacheError("usage", "invalid-config", `${path} can't be read (${codeOf(error)})`, {
      cause: error,
      hint:
        codeOf(error) === "ENOENT"
          ? "Check the path; cache config init writes an example."
          : "Check the path and its permissions.",
    });
  }
  const bare = text.replace(/^\ufeff/, "");
  let json: unknown;
  try {
    json = JSON.parse(bare);
  } catch (error) {
    const { place, reason } = syntaxError(bare, messageOf(error));
    throw new CacheError("usage", "invalid-config", `${path}${place} is not JSON: ${reason}`, {
      hint: "Correct it; cache config validate checks it again.",
    });
  }
  const { checkConfigFile } = await import("./file-schema.js");
  const { profiles = {}, ...values } = checkConfigFile(json, path);
  return { path, folder: dirname(path), layer, values, profiles };
}

/**
 * Line and column of a mistake: the first character with which what stands before it can't be the beginning of JSON. V8 says a
 * position for some mistakes only.
 */
export function syntaxError(text: string, message: string): { place: string; reason: string } {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (mayGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  const lines = text.slice(0, good).split("\n");
  const reason = message.replace(/(, \.{0,3}".*is not valid JSON| (in JSON )?at position \d+.*)$/s, "");
  return { place: `:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`, reason };
}

function mayGoOn(start: string): boolean {
  try {
    JSON.parse(start);
    return true;
  } catch (error) {
    const message = messageOf(error);
    return /end of JSON|Unterminated string/.test(message) || message.includes(`at position ${start.length}`);
  }
}
