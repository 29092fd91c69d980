import { type ChildProcess, execFile, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Certificates, makeCertificates } from "./certificates.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

const run = promisify(execFile);

interface RedisUser {
  name: string;
  password: string;
  /** ACL rules; default everything: `~* &* +@all`. */
  rights?: string;
}

export interface RedisServerOptions {
  /** `requirepass`: the password of the user `default`. */
  password?: string;
  /** ACL users besides `default`. */
  users?: readonly RedisUser[];
  /** TLS instead of plain text, with a CA and a server certificate made for this server, or with those of a group. */
  tls?: boolean | Certificates;
  /** A Sentinel, which holds no data. */
  sentinel?: boolean;
  /** Directives of redis.conf, such as `{ maxmemory: "2mb", replicaof: ["127.0.0.1", "7001"] }`. */
  config?: Readonly<Record<string, string | readonly string[]>>;
}

export interface RedisServer {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** `redis://127.0.0.1:port` or `rediss://…`, without credentials. */
  readonly url: string;
  readonly pid: number;
  readonly password: string | undefined;
  /** Paths of PEM files; only with `tls`. */
  readonly tls: Certificates | undefined;
  /** Where its files lie. */
  readonly dir: string;
  /** Everything it has logged. */
  log(): string;
  /** Ends it and removes its folder; more than once is fine. */
  stop(): Promise<void>;
  /** SIGKILL: gone as in a crash, its port refuses. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same folder, after {@link kill}. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

/**
 * A real redis-server on a free port of 127.0.0.1; resolves when it answers PING. It ends with `stop()`, and also when
 * this process dies in whatever way.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = tempDir("redis");
  const tls = options.tls === true ? await makeCertificates(dir) : options.tls || undefined;
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return await startOn(port, dir, tls, options);
    } catch (error) {
      // Between finding a free port and binding it somebody else may have taken it.
      if (attempt < 5 && String(error).includes("Address already in use")) continue;
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }
}

async function startOn(
  port: number,
  dir: string,
  tls: Certificates | undefined,
  options: RedisServerOptions,
): Promise<RedisServer> {
  const conf = join(dir, "redis.conf");
  writeFileSync(conf, configText(port, dir, tls, options), { mode: 0o600 });
  const mode = options.sentinel ? ["--sentinel"] : [];
  let current = await launch(conf, dir, mode);
  const server: RedisServer = {
    host: "127.0.0.1",
    port,
    url: `${tls ? "rediss" : "redis"}://127.0.0.1:${port}`,
    get pid() {
      return current.pid;
    },
    password: options.password,
    tls,
    dir,
    log: () => current.log(),
    async stop() {
      await current.end("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
    kill: () => current.end("SIGKILL"),
    async restart() {
      await current.end("SIGKILL");
      current = await launch(conf, dir, mode);
      await checkAnswers(server);
    },
    pause: () => current.signal("SIGSTOP"),
    resume: () => current.signal("SIGCONT"),
  };
  try {
    await checkAnswers(server);
  } catch (error) {
    await current.end("SIGKILL");
    throw error;
  }
  return server;
}

async function checkAnswers(server: RedisServer): Promise<void> {
  const answer = await redisCli(server, "PING");
  if (answer !== "PONG") throw new Error(`redis-server on port ${server.port} answered PING with ${answer}`);
}

/** A new server's own files never touch another's; nothing is saved, so that a kill leaves no half-written dump. */
function configText(port: number, dir: string, tls: Certificates | undefined, options: RedisServerOptions): string {
  const directives: Record<string, string | readonly string[]> = {
    bind: "127.0.0.1",
    dir,
    ...(!options.sentinel && { save: "", appendonly: "no", "repl-diskless-sync-delay": "0" }),
    port: tls ? "0" : String(port),
    ...(tls && {
      "tls-port": String(port),
      "tls-cert-file": tls.cert,
      "tls-key-file": tls.key,
      "tls-ca-cert-file": tls.ca,
      "tls-auth-clients": "no",
    }),
    ...(options.password !== undefined && { requirepass: options.password }),
    ...options.config,
  };
  const lines = Object.entries(directives).map(([name, value]) =>
    [name, ...(typeof value === "string" ? [value] : value).map((word) => JSON.stringify(word))].join(" "),
  );
  for (const user of options.users ?? []) {
    lines.push(`user ${user.name} on ${JSON.stringify(`>${user.password}`)} ${user.rights ?? "~* &* +@all"}`);
  }
  return `${lines.join("\n")}\n`;
}

interface Running {
  pid: number;
  log(): string;
  signal(name: NodeJS.Signals): void;
  end(signal: NodeJS.Signals): Promise<void>;
}

async function launch(conf: string, dir: string, mode: readonly string[]): Promise<Running> {
  const child = spawn("redis-server", [conf, ...mode], { cwd: dir, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let log = "";
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      log += chunk.toString();
      // A Sentinel says its name instead.
      if (log.includes("Ready to accept connections") || log.includes("Sentinel ID is")) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", reject);
    child.once("close", (code, signal) => reject(new Error(`redis-server ended (${code ?? signal}):\n${log}`)));
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error("redis-server has no process id");
  const guard = guardAgainstOrphan(pid);
  child.unref();
  return {
    pid,
    log: () => log,
    signal: (name) => void child.kill(name),
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
      guard.kill("SIGKILL");
    },
  };
}

/**
 * A shell that waits on a pipe from this process and kills the server when the pipe closes: a worker that is killed
 * runs no handler of its own. It leads its own process group, so that Ctrl-C in the terminal leaves it to its work.
 */
function guardAgainstOrphan(pid: number): ChildProcess {
  const guard = spawn("/bin/sh", ["-c", 'cat >/dev/null; kill -9 "$1"', "redis-guard", String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  return guard;
}

/** A port of 127.0.0.1 that nothing listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("the probe has no port")),
      );
    });
  });
}

/**
 * What `redis-cli` prints for a command, without the last newline: the store asked by its own client. An error reply
 * comes back as its text (`WRONGTYPE …`), as redis-cli prints it.
 * @throws Error if it can't connect
 */
export async function redisCli(server: RedisServer, ...args: readonly string[]): Promise<string> {
  return (await redisCliBytes(server, args)).toString().replace(/\n$/, "");
}

/**
 * As {@link redisCli}, with the exact bytes printed. `stdin`, if given, becomes the last argument (`redis-cli -x`), so
 * that any bytes can be written.
 */
export async function redisCliBytes(server: RedisServer, args: readonly string[], stdin?: Buffer): Promise<Buffer> {
  const connection = ["-h", server.host, "-p", String(server.port)];
  if (server.tls) connection.push("--tls", "--cacert", server.tls.ca);
  if (stdin) connection.push("-x");
  const { REDISCLI_AUTH: _, ...env } = process.env;
  const child = run("redis-cli", [...connection, ...args], {
    encoding: "buffer",
    maxBuffer: 1 << 30,
    env: server.password === undefined ? env : { ...env, REDISCLI_AUTH: server.password },
  });
  child.child.stdin?.end(stdin);
  return (await child).stdout;
}

/** Resolves when every replica has acknowledged what the primary had when this was called (`WAIT` knows its own connection's writes alone). */
export async function replicated(primary: RedisServer): Promise<void> {
  const read = () => redisCli(primary, "INFO", "replication");
  const written = Number(/master_repl_offset:(\d+)/.exec(await read())?.[1]);
  await until(async () => {
    const replicas = [...(await read()).matchAll(/^slave\d+:.*state=online,offset=(\d+)/gm)];
    return replicas.length > 0 && replicas.every(([, offset]) => Number(offset) >= written);
  });
}
