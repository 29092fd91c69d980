import { join } from "node:path";
import { type RedisCluster, startCluster } from "../redis-cluster.js";
import { type RedisServer, startRedis } from "../redis-server.js";
import { tempDir } from "../temp-dir.js";

export const TOPOLOGIES = [
  "sqlite",
  "file",
  "redis",
  "memory > redis",
  "memory > sqlite",
  "memory > redis > file",
  "memory > cluster",
] as const;

export type TopologyName = (typeof TOPOLOGIES)[number];

/** Stores that exist, and what is known of them. */
export interface Topology {
  readonly name: TopologyName;
  /** Servers that can be harmed. */
  readonly servers: readonly RedisServer[];
  readonly clustered: boolean;
  /** There are copies, which may be behind. */
  readonly tiered: boolean;
  /** A call is one call of a store, and ends with its deadline. */
  readonly bounded: boolean;
  /** Store URLs for a worker; `port`: where it reaches the server, if there is one. */
  urls(port: number): string[];
  stop(): Promise<void>;
}

/** Nothing that was acknowledged may be lost, however the server ends. */
const DURABLE = { appendonly: "yes", appendfsync: "always", "enable-debug-command": "yes" };

export async function openTopology(name: TopologyName): Promise<Topology> {
  const parts = name.split(" > ");
  const dir = tempDir("history");
  let cluster: RedisCluster | undefined;
  let server: RedisServer | undefined;
  if (parts.includes("cluster")) cluster = await startCluster({ replicas: 0, config: DURABLE });
  if (parts.includes("redis")) server = await startRedis({ config: DURABLE });
  const urlOf = (part: string, port: number) => {
    if (part === "cluster") return cluster?.url ?? "";
    if (part === "redis") return `redis://127.0.0.1:${port}`;
    if (part === "memory") return "memory:";
    return `${part}:${join(dir, part === "file" ? "files" : "cache.db")}`;
  };
  return {
    name,
    servers: cluster?.nodes ?? (server ? [server] : []),
    clustered: cluster !== undefined,
    tiered: parts.length > 1,
    bounded: parts.filter((part) => part !== "memory").length === 1,
    urls: (port) => parts.map((part) => urlOf(part, port)),
    async stop() {
      await cluster?.stop();
      await server?.stop();
    },
  };
}
