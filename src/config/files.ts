import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { Listener } from "../events.js";

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
export async function findConfigFiles(input: FileSearch, warn: Listener): Promise<ConfigFile[]> {
  const found: ConfigFile[] = [];
  const project = projectFile(input.cwd, input.env.HOME || homedir());
  if (project !== undefined) {
    const owner = statSync(project).uid;
    if (input.uid !== undefined && owner !== input.uid && input.uid !== 0) {
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

/** Where the user's own config file is, whether it is there or not. */
export function userFile(env: FileSearch["env"]): string {
  const folder = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config");
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
    throw new CacheError("usage", "invalid-config", `${path} can't be read (${codeOf(error)})`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new CacheError("usage", "invalid-config", `${path} is not JSON: ${messageOf(error)}`, {
      hint: "Check it with: cache config validate",
    });
  }
  const { checkConfigFile } = await import("./file-schema.js");
  const { profiles = {}, ...values } = checkConfigFile(json, path);
  return { path, folder: dirname(path), layer, values, profiles };
}
