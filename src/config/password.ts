import { readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, sep } from "node:path";
import { CacheError, codeOf } from "../errors.js";
import type { WarningEvent } from "../events.js";
import { type AddressPart, type Chosen, type ConfigInput, RANK, type Settings, type Source } from "./layers.js";
import { parseRedisUrl } from "./redis-url.js";
import { environmentNames, settingSpec } from "./settings.js";

/**
 * The password, from a flag, the environment, a file, standard input or a prompt. It is used only for a server of which all was named
 * by the same layer or a higher one, so that a project's config file can't send it elsewhere.
 */
export async function readPassword(
  input: ConfigInput,
  { settings, stores, redis, url, address }: Chosen,
  warnings: WarningEvent[],
): Promise<string | undefined> {
  if (stores.filter((store) => store.kind === "redis").length > 1) refuseForSeveral(settings);
  if (redis === undefined) return undefined;
  const parts = parseRedisUrl(redis.url, "");
  if (url && parts.password !== "" && url.layer !== "environment") {
    warnings.push({
      type: "warning",
      code: "password-in-url",
      message: `the password stands in ${url.where}, where others can see it`,
      hint: "Use --password-file, or CACHE_PASSWORD.",
    });
  }
  const noInput = settings.noInput?.value === true;
  const server = parts.hosts.join(",");
  if (settings.askPassword?.value === true && input.readSecret) return input.readSecret("prompt", noInput, server);
  const { password, passwordFile } = settings;
  const secret =
    RANK[password?.source.layer ?? "default"] >= RANK[passwordFile?.source.layer ?? "default"]
      ? password
      : passwordFile;
  if (!secret) return undefined;
  if (secret.source.layer === "flag" && secret === password) {
    warnings.push({
      type: "warning",
      code: "password-in-flag",
      message: "a password on the command line can be seen by others",
      hint: "Use --password-file, or CACHE_PASSWORD.",
    });
  }
  const elsewhere = address.find((part) => mayNotSend(part.source, secret.source));
  if (elsewhere) {
    warnings.push(withheld(secret.source, elsewhere));
    return undefined;
  }
  if (secret === password) return String(secret.value);
  if (secret.value === "-") return input.readSecret?.("stdin", noInput, server);
  const path = String(secret.value);
  if (secret.source.layer === "project" && !liesIn(path, secret.source.file?.folder)) {
    warnings.push({
      type: "warning",
      code: "password-withheld",
      message: `${path} lies outside the folder of ${secret.source.where}, which may not send it anywhere`,
      hint: "Name it with --password-file or CACHE_PASSWORD_FILE if that is meant.",
    });
    return undefined;
  }
  return readSecretFile("password", path, warnings);
}

/** The password of the Sentinels, under the same rule: it goes where the layer that said it, or a higher one, named them. */
export function readSentinelPassword(
  { settings, redis, address }: Chosen,
  warnings: WarningEvent[],
): string | undefined {
  const { sentinelPassword } = settings;
  if (!sentinelPassword || !redis) return undefined;
  const elsewhere = address.find((part) => mayNotSend(part.source, sentinelPassword.source));
  if (!elsewhere) return String(sentinelPassword.value);
  warnings.push(withheld(sentinelPassword.source, elsewhere));
  return undefined;
}

/** One password can't be right for several servers, and each would get to see it. @throws CacheError `ambiguous-password` */
export function refuseForSeveral({ password, passwordFile, askPassword }: Readonly<Settings>): void {
  const setting = password ?? passwordFile ?? (askPassword?.value === true ? askPassword : undefined);
  if (!setting) return;
  throw new CacheError(
    "usage",
    "ambiguous-password",
    `${setting.source.where} is for one Redis server, here are several`,
    {
      hint: "Write each server's password into its own URL, in the environment or a config file of yours.",
    },
  );
}

/** May what was said in one place not decide where a secret of another place is sent? */
export function mayNotSend(said: Source, secret: Source): boolean {
  return RANK[said.layer] < RANK[secret.layer] || (said.layer === "project" && secret.layer !== "project");
}

function withheld(secret: Source, { source, name }: AddressPart): WarningEvent {
  const beside = name === "redisUsername" || name === "redisCa" || name === "redisCert" || name === "redisKey";
  const spec = settingSpec(beside ? name : "store");
  return {
    type: "warning",
    code: "password-withheld",
    message: `the password of ${secret.where} is not sent to the server that ${source.where} names${name ? ` with ${name}` : ""}`,
    hint: `${beside ? `Say ${name}` : "Name the store"} with --${spec.flag}${secret.layer === "flag" ? "" : `, or with ${environmentNames(spec)[0]}`}.`,
  };
}

/** A project's config file comes with the project: it names no file of the user's to be sent to a server of its choice. */
export function liesIn(path: string, folder: string | undefined): boolean {
  if (folder === undefined) return false;
  try {
    const way = relative(realpathSync(folder), realpathSync(path));
    return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  } catch (error) {
    // What is not there can't be sent; reading it will say so.
    return codeOf(error) === "ENOENT";
  }
}

/** @throws CacheError `password-file`, `token-file` */
export function readSecretFile(what: "password" | "token", path: string, warnings: WarningEvent[]): string {
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
      warnings.push({
        type: "warning",
        code: `${what}-file-open`,
        message: `others can read the ${what} file ${path}`,
        hint: `Run: chmod 600 ${path}`,
      });
    }
    return text;
  } catch (error) {
    throw new CacheError("usage", `${what}-file`, `the ${what} file ${path} can't be read (${codeOf(error)})`, {
      cause: error,
      hint: "Check the path and its permissions.",
    });
  }
}
