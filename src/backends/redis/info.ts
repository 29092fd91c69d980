import { formatSize } from "../../units.js";
import type { BackendInfo } from "../backend.js";
import type { Connection } from "./connection.js";
import { isReply, mapError } from "./errors.js";
import { asInteger, asText } from "./reply.js";
import type { Store } from "./store.js";

const FACTS = {
  redis_version: "version",
  redis_mode: "mode",
  role: "role",
  used_memory: "used_memory",
  maxmemory: "maxmemory",
  maxmemory_policy: "maxmemory_policy",
} as const;

/** Part of maxmemory from which a store that evicts nothing is nearly full. */
const NEARLY_FULL = 0.9;

/** The fields of INFO's sections, all by default; none where this user may not ask. */
export async function readInfo(connection: Connection, ...sections: string[]): Promise<Record<string, string>> {
  const [reply] = await connection.pipelineRaw([["INFO", ...sections]]);
  if (reply instanceof Error) {
    if (isReply(reply, "NOPERM")) return {};
    throw mapError(reply, connection.target);
  }
  const fields: Record<string, string> = {};
  for (const line of asText(reply).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
}

/**
 * What the server says of itself. `keys` counts the whole database: what has expired but still takes memory and what this program keeps for itself
 * are in it, so it is a fact of the server and no number of entries.
 */
export async function describeStore(store: Store): Promise<BackendInfo> {
  const { connection } = store;
  connection.checkOpen();
  const fields = await readInfo(connection);
  const facts: BackendInfo["facts"] = {};
  for (const [field, name] of Object.entries(FACTS)) {
    const value = fields[field];
    if (value !== undefined) facts[name] = /^\d+$/.test(value) ? Number(value) : value;
  }
  const [size] = await connection.pipelineRaw([["DBSIZE"]]);
  if (!(size instanceof Error)) facts.keys = asInteger(size);
  else if (!isReply(size, "NOPERM")) throw mapError(size, connection.target);
  return { kind: "redis", target: connection.target, facts, warnings: warningsOf(fields) };
}

function warningsOf(fields: Record<string, string>): string[] {
  const warnings: string[] = [];
  const policy = fields.maxmemory_policy ?? "";
  const limit = Number(fields.maxmemory ?? 0);
  const used = Number(fields.used_memory ?? 0);
  if (policy.startsWith("allkeys-")) {
    warnings.push(
      `The server evicts any key when its memory is full (${policy}), the indexes of tags too: what is found by tag may be incomplete.`,
    );
  }
  if (policy === "noeviction" && limit > 0 && used >= limit * NEARLY_FULL) {
    warnings.push(
      `The server evicts nothing and is nearly full (${formatSize(used)} of ${formatSize(limit)}): writes will soon be refused.`,
    );
  }
  if (fields.role === "slave")
    warnings.push("The server is a replica: writes may be refused, and reads may lag behind its primary.");
  if (fields.loading === "1") warnings.push("The server is still loading its data.");
  return warnings;
}
