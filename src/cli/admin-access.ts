import type { AdminSettings } from "../config/admin-settings.js";
import { type AdminToken, newToken, readTokens, tokenEntry } from "../config/admin-tokens.js";
import { leaveRuntimeToken, type RuntimeToken } from "../config/runtime-token.js";
import { CacheError } from "../errors.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** Who is let in to the admin API of a server that is about to start. */
export interface AdminAccess {
  tokens: readonly AdminToken[];
  /** To be called when the admin API can be reached. @returns to be called when it can't be any more */
  opened(url: string): () => void;
}

/**
 * Those of the file that the settings name; without one a token for this one run, which is left where other commands of this user find it.
 * @throws CacheError `invalid-tokens`
 */
export function adminAccess({ tokensFile }: AdminSettings, { env, uid }: Io, out: Output): AdminAccess {
  if (tokensFile !== undefined) {
    const credentialsFolder = env.CREDENTIALS_DIRECTORY;
    return { tokens: readTokens(tokensFile, { credentialsFolder }), opened: () => () => {} };
  }
  const token = newToken();
  return {
    tokens: [tokenEntry(token, "this run", "operator")],
    opened(url) {
      let left: RuntimeToken;
      try {
        left = leaveRuntimeToken(url, token, env, uid);
      } catch (error) {
        if (!(error instanceof CacheError)) throw error;
        // Requests are served all the same.
        out.alert(`nobody can call the admin API: ${error.message}`, error.hint);
        return () => {};
      }
      out.note(`cache serve: the token of ${url} is in ${left.path}`);
      return left.remove;
    },
  };
}
