import { CacheError } from "../errors.js";
import type { WarningEvent } from "../events.js";
import { type ConfigInput, RANK, type Settings, type Source } from "./layers.js";
import { liesIn, mayNotSend, readSecretFile } from "./password.js";
import { runtimeToken } from "./runtime-token.js";
import type { RemoteTarget, StoreTarget } from "./store-url.js";

/**
 * The tokens of the admin APIs that are stores here, by their URL: `--token`, `CACHE_TOKEN` or a file; else, of a server of the same user on this machine, what that left for him. A token
 * goes only where the layer that said it, or a higher one, named the server, so that a project's config file can't send it elsewhere.
 * @throws CacheError `ambiguous-token` for one token and several servers
 */
export function readTokens(
  input: ConfigInput,
  stores: readonly StoreTarget[],
  { settings, source }: { settings: Settings; source: Source },
  warnings: WarningEvent[],
): ReadonlyMap<string, string> {
  const remotes = stores.filter((store): store is RemoteTarget => store.kind === "remote");
  const tokens = new Map<string, string>();
  if (remotes.length === 0) return tokens;
  const { token, tokenFile } = settings;
  const inFile = RANK[tokenFile?.source.layer ?? "default"] > RANK[token?.source.layer ?? "default"];
  const setting = inFile ? tokenFile : (token ?? tokenFile);
  if (setting && remotes.length > 1) {
    throw new CacheError("usage", "ambiguous-token", `${setting.source.where} is for one server, here are several`, {
      hint: "Use one server.",
    });
  }
  if (token?.source.layer === "flag") {
    warnings.push({
      type: "warning",
      code: "token-in-flag",
      message: "a token on the command line can be seen by others",
      hint: "Use --token-file, or CACHE_TOKEN.",
    });
  }
  const path = setting === tokenFile && setting ? String(setting.value) : undefined;
  const outside =
    path !== undefined && setting?.source.layer === "project" && !liesIn(path, setting.source.file?.folder);
  for (const { url } of remotes) {
    if (setting && !outside && !mayNotSend(source, setting.source)) {
      const text = path === undefined ? String(setting.value) : readSecretFile("token", path, warnings).trim();
      tokens.set(url, checked(text, setting.source.where));
      continue;
    }
    if (setting) {
      warnings.push({
        type: "warning",
        code: "token-withheld",
        message: `the token of ${setting.source.where} is not sent to the server that ${source.where} names`,
        hint: "Name the store with --store, or with CACHE_STORE.",
      });
    }
    const left = runtimeToken(url, input.env, input.uid);
    if (left !== undefined) tokens.set(url, left);
  }
  return tokens;
}

/** Only what can stand in `Authorization` behind `Bearer` (RFC 6750 §2.1) is a token. */
function checked(text: string, where: string): string {
  if (/^[A-Za-z0-9\-._~+/]+=*$/.test(text)) return text;
  const what = text === "" ? "there is no token" : "there is something else than one token";
  throw new CacheError("usage", "invalid-token", `${what} in ${where}`, {
    hint: "Give the text that cache serve token printed, and nothing else; the file of --admin-tokens is for the server.",
  });
}
