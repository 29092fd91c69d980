import { connect } from "node:net";
import { makeCertificates } from "./certificates.js";
import { freePort, type RedisServer, type RedisServerOptions, redisCli, startRedis } from "./redis-server.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

const PRIMARIES = 3;
const SLOTS = 16_384;

export interface RedisCluster {
  /** All nodes, those that began as primaries first. */
  readonly nodes: readonly RedisServer[];
  /** `redis+cluster://…` with every node. */
  readonly url: string;
  /** The primaries by what the cluster itself says now, in the order of their slots. */
  primaries(): Promise<RedisServer[]>;
  replicaOf(primary: RedisServer): Promise<RedisServer>;
  ownerOf(slot: number): Promise<RedisServer>;
  slotOf(key: string): Promise<number>;
  /** Moves a slot with its keys, key by key, as a reshard does. */
  moveSlot(slot: number, to: RedisServer): Promise<void>;
  /** The steps of {@link moveSlot}: marks the slot at both ends. */
  beginMove(slot: number, to: RedisServer): Promise<void>;
  /** Moves so many of the slot's keys at most; how many there were. */
  moveKeys(slot: number, from: RedisServer, to: RedisServer, limit: number): Promise<number>;
  endMove(slot: number, to: RedisServer): Promise<void>;
  /** Resolves when every node agrees on who holds the slots, and every primary has its replica. */
  settled(): Promise<void>;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisClusterOptions extends Omit<RedisServerOptions, "config"> {
  /** Replicas of each primary, 0 or 1 (default). */
  replicas?: 0 | 1;
  config?: Readonly<Record<string, string>>;
}

/** A real Redis Cluster of three primaries on free ports of 127.0.0.1; resolves when every slot is served. */
export async function startCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { replicas = 1, config, tls, ...others } = options;
  // The nodes speak TLS with each other, too: they trust one authority.
  const rest = { ...others, ...(tls === true && { tls: await makeCertificates(tempDir("cluster-tls")) }) };
  const nodes = await Promise.all(
    Array.from({ length: PRIMARIES * (1 + replicas) }, async () =>
      startRedis({
        ...rest,
        config: {
          "cluster-enabled": "yes",
          // By default 10,000 above the port, where there may be none.
          "cluster-port": `${await freePort()}`,
          "cluster-node-timeout": "1000",
          "cluster-replica-validity-factor": "0",
          "repl-ping-replica-period": "1",
          ...(rest.tls && { "tls-cluster": "yes", "tls-replication": "yes" }),
          ...(rest.password !== undefined && { masterauth: rest.password }),
          ...config,
        },
      }),
    ),
  );
  const cluster = new Nodes(nodes, replicas);
  try {
    await cluster.join();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

interface Line {
  id: string;
  port: number;
  flags: string;
  primary: string;
  slots: readonly string[];
}

class Nodes implements RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly #replicas: number;

  constructor(nodes: readonly RedisServer[], replicas: number) {
    this.nodes = nodes;
    this.#replicas = replicas;
  }

  get url(): string {
    const scheme = this.nodes[0]?.tls ? "rediss+cluster" : "redis+cluster";
    return `${scheme}://${this.nodes.map(({ host, port }) => `${host}:${port}`).join(",")}`;
  }

  async join(): Promise<void> {
    const [first] = this.nodes;
    if (!first) return;
    for (const [i, node] of this.nodes.entries()) {
      await ok(node, "CLUSTER", "SET-CONFIG-EPOCH", `${i + 1}`);
      if (i < PRIMARIES) {
        const from = Math.floor((SLOTS * i) / PRIMARIES);
        const to = Math.floor((SLOTS * (i + 1)) / PRIMARIES) - 1;
        await ok(node, "CLUSTER", "ADDSLOTSRANGE", `${from}`, `${to}`);
      }
      if (node !== first) await ok(node, "CLUSTER", "MEET", first.host, `${first.port}`, `${await busPort(first)}`);
    }
    for (const [i, node] of this.nodes.entries()) {
      if (i < PRIMARIES) continue;
      const primary = this.nodes[i - PRIMARIES] ?? first;
      const id = await redisCli(primary, "CLUSTER", "MYID");
      await until(async () => (await redisCli(node, "CLUSTER", "REPLICATE", id)) === "OK", { timeoutMs: 20_000 });
    }
    await this.settled();
  }

  async settled(): Promise<void> {
    await until(
      async () => {
        const views = await Promise.all(this.nodes.map((node) => this.#view(node)));
        const alive = views[0]?.filter(({ flags }) => !/fail|handshake|noaddr/.test(flags)) ?? [];
        if (alive.length !== this.nodes.length) return false;
        if (alive.filter(({ primary }) => primary !== "-").length !== PRIMARIES * this.#replicas) return false;
        const same = new Set(views.map((lines) => lines.map(summary).sort().join("\n")));
        if (same.size !== 1) return false;
        for (const node of this.nodes) {
          if (!(await redisCli(node, "CLUSTER", "INFO")).includes("cluster_state:ok")) return false;
          const replication = await redisCli(node, "INFO", "replication");
          if (replication.includes("role:slave") && !replication.includes("master_link_status:up")) return false;
        }
        return true;
      },
      { timeoutMs: 30_000, everyMs: 50, what: "the cluster agrees" },
    );
  }

  async primaries(): Promise<RedisServer[]> {
    const lines = (await this.#view()).filter(({ flags, slots }) => flags.includes("master") && slots.length > 0);
    lines.sort((a, b) => Number.parseInt(a.slots[0] ?? "", 10) - Number.parseInt(b.slots[0] ?? "", 10));
    return lines.filter(({ flags }) => !flags.includes("fail")).map((line) => this.#node(line));
  }

  async replicaOf(primary: RedisServer): Promise<RedisServer> {
    const id = await redisCli(primary, "CLUSTER", "MYID");
    const line = (await this.#view()).find((one) => one.primary === id && !one.flags.includes("fail"));
    if (!line) throw new Error(`no replica of ${primary.port}`);
    return this.#node(line);
  }

  async ownerOf(slot: number): Promise<RedisServer> {
    const holds = (range: string) => {
      const [from, to = from] = range.split("-").map(Number);
      return from !== undefined && to !== undefined && from <= slot && slot <= to;
    };
    const line = (await this.#view()).find(({ slots }) =>
      slots.some((range) => !range.startsWith("[") && holds(range)),
    );
    if (!line) throw new Error(`nobody holds slot ${slot}`);
    return this.#node(line);
  }

  async slotOf(key: string): Promise<number> {
    return Number(await redisCli(this.nodes[0] as RedisServer, "CLUSTER", "KEYSLOT", key));
  }

  async moveSlot(slot: number, to: RedisServer): Promise<void> {
    const from = await this.ownerOf(slot);
    if (from === to) return;
    await this.beginMove(slot, to);
    while ((await this.moveKeys(slot, from, to, 10)) > 0);
    await this.endMove(slot, to);
  }

  async beginMove(slot: number, to: RedisServer): Promise<void> {
    const from = await this.ownerOf(slot);
    const [source, target] = await Promise.all([from, to].map((node) => redisCli(node, "CLUSTER", "MYID")));
    await ok(to, "CLUSTER", "SETSLOT", `${slot}`, "IMPORTING", source ?? "");
    await ok(from, "CLUSTER", "SETSLOT", `${slot}`, "MIGRATING", target ?? "");
  }

  async moveKeys(slot: number, from: RedisServer, to: RedisServer, limit: number): Promise<number> {
    // Names can hold any byte, also NUL, which no argument of redis-cli can: the node moves them itself.
    const script = `
      local keys=redis.call('CLUSTER','GETKEYSINSLOT',ARGV[1],ARGV[2])
      if #keys==0 then return 0 end
      local args={ARGV[3],ARGV[4],'','0','5000'}
      if ARGV[5]~='' then args[6],args[7]='AUTH',ARGV[5] end
      args[#args+1]='KEYS'
      for _,key in ipairs(keys) do args[#args+1]=key end
      redis.call('MIGRATE',unpack(args))
      return #keys`;
    const args = [`${slot}`, `${limit}`, to.host, `${to.port}`, from.password ?? ""];
    const moved = await redisCli(from, "EVAL", script, "0", ...args);
    if (!/^\d+$/.test(moved)) throw new Error(`keys of slot ${slot} did not move: ${moved}`);
    return Number(moved);
  }

  async endMove(slot: number, to: RedisServer): Promise<void> {
    const id = await redisCli(to, "CLUSTER", "MYID");
    // The target first: then there is no moment in which nobody holds it.
    await ok(to, "CLUSTER", "SETSLOT", `${slot}`, "NODE", id);
    for (const node of await this.primaries())
      if (node !== to) await ok(node, "CLUSTER", "SETSLOT", `${slot}`, "NODE", id);
  }

  async flush(): Promise<void> {
    await Promise.all(this.nodes.map(flushed));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  /** What a node says of the cluster; the first that answers, if none is given. */
  async #view(asked?: RedisServer): Promise<Line[]> {
    for (const node of asked ? [asked] : this.nodes) {
      const text = await redisCli(node, "CLUSTER", "NODES").catch(() => "");
      if (text === "") continue;
      return text.split("\n").map((line) => {
        const [id = "", address = "", flags = "", primary = "", , , , , ...slots] = line.split(" ");
        return { id, port: Number(/:(\d+)@/.exec(address)?.[1]), flags, primary, slots };
      });
    }
    return [];
  }

  #node({ port }: Line): RedisServer {
    const node = this.nodes.find((one) => one.port === port);
    if (!node) throw new Error(`there is no node on port ${port}`);
    return node;
  }
}

const summary = ({ id, primary, flags, slots }: Line) =>
  [id, primary, flags.replace("myself,", ""), ...slots.filter((slot) => !slot.startsWith("["))].join(" ");

/** Empties a node without a process for it, for there are many tests; a replica refuses. */
async function flushed(node: RedisServer): Promise<void> {
  const socket = connect(node.port, node.host);
  socket.write(`${node.password === undefined ? "" : `AUTH ${node.password}\r\n`}FLUSHALL\r\nQUIT\r\n`);
  for await (const _ of socket);
}

async function busPort(node: RedisServer): Promise<string> {
  return (await redisCli(node, "CONFIG", "GET", "cluster-port")).split("\n")[1] ?? "";
}

async function ok(node: RedisServer, ...args: readonly string[]): Promise<void> {
  const answer = await redisCli(node, ...args);
  if (answer !== "OK") throw new Error(`${args.join(" ")} on port ${node.port}: ${answer}`);
}
