import { formatSize } from "../../units.js";
import type { BackendInfo } from "../backend.js";
import type { Connection, Node } from "./connection.js";
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

/** What one node says of itself. */
interface NodeInfo {
  node: Node;
  fields: Record<string, string>;
}

/** The fields of INFO's sections, all by default, of each node that holds data; none where this user may not ask. */
export async function readInfo(connection: Connection, ...sections: string[]): Promise<NodeInfo[]> {
  const primaries = await connection.primaries();
  return Promise.all(
    primaries.map(async ({ node }) => {
      const [reply] = await node.pipelineRaw([["INFO", ...sections]]);
      return { node, fields: fieldsOf(reply, node) };
    }),
  );
}

function fieldsOf(reply: unknown, node: Node): Record<string, string> {
  if (reply instanceof Error) {
    if (isReply(reply, "NOPERM")) return {};
    throw mapError(reply, node.target);
  }
  const fields: Record<string, string> = {};
  for (const line of asText(reply).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
}

/**
 * What the servers say of themselves; of a cluster the sums, and a line for each primary. `keys` counts the whole database: what has expired but still takes memory and what
 * this program keeps for itself are in it, so it is a fact of the server and no number of entries.
 */
export async function describeStore(store: Store): Promise<BackendInfo> {
  const { connection } = store;
  connection.checkOpen();
  const infos = await readInfo(connection);
  const sizes = await Promise.all(infos.map(({ node }) => sizeOf(node)));
  const facts: BackendInfo["facts"] = {};
  for (const [field, name] of Object.entries(FACTS)) {
    const values = infos.flatMap(({ fields }) => fields[field] ?? []);
    const [value] = values;
    if (value === undefined) continue;
    if (/^\d+$/.test(value)) facts[name] = values.reduce((sum, one) => sum + Number(one), 0);
    else facts[name] = [...new Set(values)].sort().join(", ");
  }
  const known = sizes.filter((size) => size !== undefined);
  if (known.length > 0) facts.keys = known.reduce((sum, size) => sum + size, 0);
  if (!connection.clustered) {
    return {
      kind: "redis",
      target: connection.target,
      facts: Object.assign(facts, ...infos.map(({ fields }) => keyspaceOf(fields))),
      warnings: infos.flatMap(({ fields }) => warningsOf(fields)),
    };
  }
  facts.primaries = infos.length;
  for (const [i, { node, fields }] of infos.entries()) facts[node.target] = summaryOf(sizes[i], fields);
  const warnings = infos.flatMap(({ node, fields }) =>
    warningsOf(fields).map((warning) => `${node.target}: ${warning}`),
  );
  return { kind: "redis", target: connection.target, facts, warnings };
}

/** Of each database that holds anything: `db0` with `keys=8934,expires=5621`. */
function keyspaceOf(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      /^db\d+$/.test(name) ? [[name, value.split(",", 2).join(",")]] : [],
    ),
  );
}

/** Undefined where this user may not ask. */
async function sizeOf(node: Node): Promise<number | undefined> {
  const [size] = await node.pipelineRaw([["DBSIZE"]]);
  if (!(size instanceof Error)) return asInteger(size);
  if (isReply(size, "NOPERM")) return undefined;
  throw mapError(size, node.target);
}

function summaryOf(size: number | undefined, { used_memory: used, maxmemory: limit }: Record<string, string>): string {
  const memory = used === undefined ? [] : [formatSize(Number(used))];
  const most = limit === undefined || limit === "0" ? [] : [`of ${formatSize(Number(limit))}`];
  return [...(size === undefined ? [] : [`${size} keys,`]), ...memory, ...most].join(" ");
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
