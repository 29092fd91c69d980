import { makeCertificates } from "./certificates.js";
import { type RedisServer, type RedisServerOptions, redisCli, startRedis } from "./redis-server.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

const SENTINELS = 3;

export interface SentinelSet {
  /** The server that began as the primary, then its replicas. */
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];
  readonly name: string;
  /** `redis+sentinel://…/name` with every Sentinel. */
  readonly url: string;
  /** The primary that most Sentinels name. */
  primary(): Promise<RedisServer>;
  /** Resolves when all Sentinels name the same primary, it says so itself, and its replicas follow it. */
  settled(): Promise<RedisServer>;
  /** Has the Sentinels promote a replica; resolves when that is settled. */
  failover(): Promise<RedisServer>;
  stop(): Promise<void>;
}

export interface SentinelOptions extends Omit<RedisServerOptions, "config"> {
  /** Default 2. */
  replicas?: number;
  /** What the Sentinels themselves ask for. */
  sentinelPassword?: string;
}

/** A real primary with replicas, and three Sentinels that watch it and replace it within some seconds. */
export async function startSentinels(options: SentinelOptions = {}): Promise<SentinelSet> {
  const { replicas = 2, sentinelPassword, tls, ...others } = options;
  // They speak TLS with each other, too: they trust one authority.
  const rest = { ...others, ...(tls === true && { tls: await makeCertificates(tempDir("sentinel-tls")) }) };
  const started: RedisServer[] = [];
  const start = async (more: RedisServerOptions) => {
    const server = await startRedis(more);
    started.push(server);
    return server;
  };
  const common = {
    "repl-ping-replica-period": "1",
    "repl-timeout": "5",
    ...(rest.tls && { "tls-replication": "yes" }),
    ...(rest.password !== undefined && { masterauth: rest.password }),
  };
  const name = "the-primary";
  try {
    const primary = await start({ ...rest, config: common });
    const servers = [
      primary,
      ...(await Promise.all(
        Array.from({ length: replicas }, () =>
          start({ ...rest, config: { ...common, replicaof: [primary.host, `${primary.port}`] } }),
        ),
      )),
    ];
    const sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, () =>
        start({
          sentinel: true,
          ...(rest.tls && { tls: rest.tls }),
          ...(sentinelPassword !== undefined && { password: sentinelPassword }),
          config: {
            ...(rest.tls && { "tls-replication": "yes" }),
            ...(sentinelPassword !== undefined && { sentinel: ["sentinel-pass", sentinelPassword] }),
          },
        }),
      ),
    );
    const set = new Running(name, servers, sentinels);
    for (const sentinel of sentinels) await watchFrom(sentinel, name, primary);
    await set.settled();
    return set;
  } catch (error) {
    await Promise.all(started.map((server) => server.stop()));
    throw error;
  }
}

async function watchFrom(sentinel: RedisServer, name: string, primary: RedisServer): Promise<void> {
  const set = (option: string, value: string) => ok(sentinel, "SENTINEL", "SET", name, option, value);
  // What it asks every 10 s, and tells every 2 s, is what the tests would wait for.
  await ok(sentinel, "SENTINEL", "DEBUG", "INFO-PERIOD", "300", "PUBLISH-PERIOD", "200", "ASK-PERIOD", "200");
  await ok(sentinel, "SENTINEL", "MONITOR", name, primary.host, `${primary.port}`, "2");
  if (primary.password !== undefined) await set("auth-pass", primary.password);
  await set("down-after-milliseconds", "500");
  await set("failover-timeout", "2000");
  await set("parallel-syncs", "2");
}

class Running implements SentinelSet {
  readonly name: string;
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  constructor(name: string, servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.name = name;
    this.servers = servers;
    this.sentinels = sentinels;
  }

  get url(): string {
    const scheme = this.sentinels[0]?.tls ? "rediss+sentinel" : "redis+sentinel";
    return `${scheme}://${this.sentinels.map(({ host, port }) => `${host}:${port}`).join(",")}/${this.name}`;
  }

  async primary(): Promise<RedisServer> {
    const ports = await Promise.all(this.sentinels.map((sentinel) => this.#named(sentinel)));
    const port = ports.find((one, i) => ports.indexOf(one) !== i) ?? ports[0];
    const server = this.servers.find((one) => one.port === port);
    if (!server) throw new Error(`no server on port ${port}`);
    return server;
  }

  async settled(): Promise<RedisServer> {
    return until(
      async () => {
        const ports = new Set(await Promise.all(this.sentinels.map((sentinel) => this.#named(sentinel))));
        if (ports.size !== 1) return undefined;
        const primary = await this.primary();
        const replication = await redisCli(primary, "INFO", "replication");
        const online = replication.match(/state=online/g) ?? [];
        if (!replication.includes("role:master") || online.length !== this.servers.length - 1) return undefined;
        for (const sentinel of this.sentinels) {
          const state = await redisCli(sentinel, "SENTINEL", "MASTER", this.name);
          const field = (key: string) => new RegExp(`^${key}\\n(.*)$`, "m").exec(state)?.[1];
          if (field("num-other-sentinels") !== `${SENTINELS - 1}` || field("flags") !== "master") return undefined;
          if (field("num-slaves") !== `${this.servers.length - 1}`) return undefined;
        }
        return primary;
      },
      { timeoutMs: 30_000, everyMs: 50, what: "the Sentinels agree" },
    );
  }

  async failover(): Promise<RedisServer> {
    const before = await this.primary();
    const [sentinel] = this.sentinels;
    if (!sentinel) return before;
    // For a while after one failover the Sentinels refuse another.
    await until(async () => (await redisCli(sentinel, "SENTINEL", "FAILOVER", this.name)) === "OK", {
      timeoutMs: 20_000,
      everyMs: 100,
    });
    await until(async () => (await this.primary()) !== before, { timeoutMs: 20_000, everyMs: 20 });
    return this.settled();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async #named(sentinel: RedisServer): Promise<number> {
    const answer = await redisCli(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.name);
    return Number(answer.split("\n")[1]);
  }
}

async function ok(server: RedisServer, ...args: readonly string[]): Promise<void> {
  const answer = await redisCli(server, ...args);
  if (answer !== "OK") throw new Error(`${args.slice(0, 2).join(" ")} on port ${server.port}: ${answer}`);
}
