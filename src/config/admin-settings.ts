import { isIPv4 } from "node:net";
import { CacheError } from "../errors.js";
import type { Settings } from "./layers.js";

/** Where the admin API is, and who is let in. */
export interface AdminSettings {
  host: string;
  port: number;
  /** It is at the proxy's own port. */
  sharesPort: boolean;
  /** Others than this machine can reach it. */
  exposed: boolean;
  /** Names that it may be called by besides addresses and `localhost`, in lower case. */
  names: readonly string[];
  /** The file with the tokens; absent: one is made at each start. */
  tokensFile: string | undefined;
}

/**
 * @throws CacheError `admin-exposed` where others could reach it and no file says who is let in, or where it shares such a port with the proxy; `invalid-setting` where the
 * proxy's port has none after it
 */
export function adminSettings(settings: Settings): AdminSettings {
  const host = String(settings.adminHost?.value ?? "127.0.0.1");
  const proxyHost = String(settings.host?.value ?? "127.0.0.1");
  const proxyPort = Number(settings.port?.value);
  const port = portOf(settings.adminPort?.value, proxyPort);
  const tokensFile = settings.adminTokens && String(settings.adminTokens.value);
  const exposed = !isLoopback(host);
  if (exposed && tokensFile === undefined) {
    const where = settings.adminHost?.source.where ?? "--admin-host";
    throw open(
      `${where}: others can reach ${host}, and nothing says who may call the admin API there`,
      "Give --admin-tokens FILE; cache serve token makes its lines.",
    );
  }
  const sharesPort = proxyPort !== 0 && port === proxyPort;
  if (sharesPort && (exposed || !isLoopback(proxyHost))) {
    throw open(
      `${settings.adminPort?.source.where ?? "--admin-port"}: the admin API and the proxy share a port that others can reach`,
      "Choose another with --admin-port, or leave both on 127.0.0.1.",
    );
  }
  const names = String(settings.adminName?.value ?? "")
    .split(/\s+/)
    .filter(Boolean);
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) {
    const where = settings.adminName?.source.where ?? "--admin-name";
    throw new CacheError("usage", "invalid-setting", `${where}: ${JSON.stringify(wrong)} is no name of a host`, {
      hint: "Give it without a scheme, a port or a path: admin.example.com.",
    });
  }
  const called = [...names, host].map((name) => name.toLowerCase());
  return { host, port, sharesPort, exposed, names: called, tokensFile };
}

/** What `Host` can name, without its port. */
const NAME = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])$/;

/** An address that only this machine reaches, or the name of one. */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || (isIPv4(bare) && bare.startsWith("127."));
}

function portOf(said: unknown, proxyPort: number): number {
  if (typeof said === "number") return said;
  if (proxyPort === 0) return 0;
  if (proxyPort < 65_535) return proxyPort + 1;
  throw new CacheError("usage", "invalid-setting", "there is no port after 65535 for the admin API", {
    hint: "Choose one with --admin-port.",
  });
}

function open(message: string, hint: string): CacheError {
  return new CacheError("usage", "admin-exposed", message, { hint });
}
