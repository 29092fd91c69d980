import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { Redis } from "ioredis";
import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { clusterNodeError, isNoRedis, isReply, isServerReply, mapError } from "./errors.js";

/** A command with its arguments; text goes out as UTF-8. */
export type Command = readonly [name: string, ...args: (string | Buffer | number)[]];

export interface ConnectionSettings {
  /** `redis://` or `rediss://`; user, password and database inside may be overridden. */
  url: string;
  username?: string;
  password?: string;
  /** Number of the database, from 0. */
  db?: number;
  /** PEM contents; given for a `rediss://` store that needs more than the system's authorities. */
  tls?: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean };
  /** Milliseconds, default 5,000. */
  connectTimeoutMs?: number;
  /** Milliseconds that one command may take, default 5,000. */
  commandTimeoutMs?: number;
}

interface Address {
  host: string;
  port: number;
  username?: string;
  password?: string;
  db: number;
  secure: boolean;
}

/** Attempts to come back after a loss; then the next call tries anew. */
const RECONNECT_ATTEMPTS = 3;
const RECONNECT_BASE_MS = 100;

const DISCONNECT_MS = 50;

/**
 * One connection to one server that fails rather than waits: nothing is queued while the server is away, nothing is sent twice, and every call
 * ends within the connect and command timeouts. Replies are bytes.
 */
export class Connection {
  /** `redis://host:port/db`, without secrets. */
  readonly target: string;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  #lastError: unknown;
  #opening: Promise<void> | undefined;
  #closed = false;
  /** The attempts that ioredis makes by itself were ended; it still says "reconnecting". */
  #gaveUp = false;

  private constructor(redis: Redis, target: string, clock: Clock, connectTimeoutMs: number) {
    this.#redis = redis;
    this.target = target;
    this.#clock = clock;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /**
   * Connects and sees that the server answers.
   * @throws CacheError `invalid-url`, or what {@link mapError} makes of the failure
   */
  static async open(settings: ConnectionSettings, clock: Clock): Promise<Connection> {
    const address = parseAddress(settings);
    const target = `${address.secure ? "rediss" : "redis"}://${hostInUrl(address.host)}:${address.port}/${address.db}`;
    const { Redis } = await import("ioredis");
    const connectTimeoutMs = settings.connectTimeoutMs ?? 5000;
    let connection: Connection | undefined;
    const redis = new Redis({
      host: address.host,
      port: address.port,
      db: address.db,
      ...(address.password !== undefined && {
        // Always with a name: for AUTH with a password alone ioredis prints a warning where the server needs none.
        username: address.username ?? "default",
        password: address.password,
      }),
      ...(address.secure && { tls: tlsOptions(settings, address.host) }),
      connectTimeout: connectTimeoutMs,
      commandTimeout: settings.commandTimeoutMs ?? 5000,
      lazyConnect: true,
      // How long a socket that was ended may stay open. ioredis keeps the process alive for so long also where the socket is gone already.
      disconnectTimeout: DISCONNECT_MS,
      enableOfflineQueue: false,
      // The ready check prints where INFO is not permitted, and waits silently while the server is loading.
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      protocol: 2,
      disableClientInfo: true,
      retryStrategy: (attempt) =>
        attempt > RECONNECT_ATTEMPTS || connection?.isHopeless() !== false
          ? null
          : RECONNECT_BASE_MS * 2 ** (attempt - 1),
    });
    connection = new Connection(redis, target, clock, connectTimeoutMs);
    connection.#listen();
    try {
      await connection.#ready();
      await connection.#greet();
      return connection;
    } catch (error) {
      redis.disconnect();
      throw error;
    }
  }

  /** @throws CacheError `closed` after {@link close} */
  checkOpen(): void {
    if (this.#closed) throw new CacheError("usage", "closed", `the connection to ${this.target} is closed`);
  }

  /** @throws CacheError, see {@link mapError} */
  async call(command: Command): Promise<unknown> {
    if (this.#closed || this.#redis.status !== "ready") await this.#ready();
    const [name, ...args] = command;
    try {
      return await this.#redis.callBuffer(name, args);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Sends the commands at once. An error reply to one of them is its result, as ioredis's own error; a lost connection or a timeout throws.
   * @throws CacheError
   */
  async pipelineRaw(commands: readonly Command[]): Promise<unknown[]> {
    if (this.#closed || this.#redis.status !== "ready") await this.#ready();
    if (commands.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.callBuffer(name, args);
    let results: [Error | null, unknown][] | null;
    try {
      results = await pipeline.exec();
    } catch (error) {
      throw this.#fail(error);
    }
    return (results ?? []).map(([error, reply]) => {
      if (!error) return reply;
      if (isServerReply(error)) return error;
      throw this.#fail(error);
    });
  }

  /** As {@link pipelineRaw}; any error reply throws. */
  async pipeline(commands: readonly Command[]): Promise<unknown[]> {
    const results = await this.pipelineRaw(commands);
    for (const result of results) if (result instanceof Error) throw mapError(result, this.target);
    return results;
  }

  /** Milliseconds of one PING. */
  async ping(): Promise<number> {
    const start = this.#clock.monotonic();
    await this.call(["PING"]);
    return this.#clock.monotonic() - start;
  }

  /** Lets go of the connection; calls under way fail. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { status } = this.#redis;
    if (status === "end" || status === "wait") return;
    const ended = new Promise<void>((resolve) => this.#redis.once("end", () => resolve()));
    this.#redis.disconnect();
    // Between two attempts there is no socket whose end could be told: ioredis only forgets the next attempt.
    if (status !== "reconnecting") await ended;
  }

  /** True if connecting again can't help. */
  isHopeless(): boolean {
    if (this.#closed) return true;
    if (this.#lastError === undefined) return false;
    const { kind, code } = mapError(this.#lastError, this.target);
    return kind === "authentication" || kind === "usage" || code === "tls-failed" || code === "not-redis";
  }

  #listen(): void {
    this.#redis.on("error", (error: unknown) => {
      // What the server said goes before what followed from it, the end of the connection.
      if (!isAnswer(this.#lastError)) this.#lastError = error;
      // ioredis goes on in database 0 when SELECT is refused: other people's keys.
      if (isAnswer(error)) this.#redis.disconnect();
    });
  }

  async #ready(): Promise<void> {
    this.checkOpen();
    if (this.#redis.status === "ready") return;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #connect(): Promise<void> {
    this.#lastError = undefined;
    const { status } = this.#redis;
    const idle = status === "wait" || status === "end" || (status === "reconnecting" && this.#gaveUp);
    this.#gaveUp = false;
    const attempt = idle ? this.#redis.connect() : this.#nextState();
    // The socket's own timeout ends at "connected"; a server that then says nothing must not hold the caller.
    const timer = new AbortController();
    const late = this.#clock.sleep(this.#connectTimeoutMs, timer.signal).then(() => {
      if (!timer.signal.aborted) throw Object.assign(new Error("connect ETIMEDOUT"), { code: "ETIMEDOUT" });
    });
    try {
      await Promise.race([attempt, late]);
      // ioredis says "ready" although the server has refused the database, or is no Redis.
      if (isAnswer(this.#lastError)) throw this.#lastError;
    } catch (error) {
      this.#gaveUp = true;
      this.#redis.disconnect();
      this.checkOpen();
      throw mapError(this.#lastError ?? error, this.target);
    } finally {
      timer.abort();
    }
  }

  /** Resolves when a reconnection under way has succeeded, rejects when it has been given up. */
  #nextState(): Promise<void> {
    return new Promise((resolve, reject) => {
      const ready = () => settle(resolve);
      const end = () => settle(() => reject(new Error("Connection is closed.")));
      const settle = (then: () => void) => {
        this.#redis.off("ready", ready);
        this.#redis.off("end", end);
        then();
      };
      this.#redis.once("ready", ready);
      this.#redis.once("end", end);
    });
  }

  /** The first answer tells what connecting doesn't: a password is missing, the data is still loading, this is a part of a cluster. */
  async #greet(): Promise<void> {
    const [pong, info] = await this.pipelineRaw([["PING"], ["INFO", "cluster"]]);
    if (pong instanceof Error && !isReply(pong, "NOPERM")) throw mapError(pong, this.target);
    if (Buffer.isBuffer(info) && info.includes("cluster_enabled:1")) throw clusterNodeError(this.target);
  }

  #fail(error: unknown): CacheError {
    if (this.#closed) return new CacheError("usage", "closed", `the connection to ${this.target} was closed`);
    return mapError(error, this.target);
  }
}

/** True if something answered, and what it said is the end of this connection. */
const isAnswer = (error: unknown) => isServerReply(error) || isNoRedis(error);

function parseAddress(settings: ConnectionSettings): Address {
  let url: URL;
  try {
    url = new URL(settings.url);
  } catch {
    throw invalidUrl("is no URL");
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:")
    throw invalidUrl("begins with neither redis:// nor rediss://");
  const path = url.pathname.replace(/^\//, "");
  if (!/^\d*$/.test(path)) throw invalidUrl("has a path that is no database number");
  const address: Address = {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    port: url.port === "" ? 6379 : Number(url.port),
    db: settings.db ?? (path === "" ? 0 : Number(path)),
    secure: url.protocol === "rediss:",
  };
  const username = settings.username ?? decode(url.username);
  const password = settings.password ?? decode(url.password);
  if (username !== undefined) address.username = username;
  if (password !== undefined) address.password = password;
  if (username !== undefined && password === undefined) {
    throw new CacheError("usage", "password-missing", "there is a Redis user but no password", {
      hint: "Give the password, by file or environment rather than in the URL.",
    });
  }
  return address;
}

/** The URL itself may hold a password, so it is never quoted. */
function invalidUrl(why: string): CacheError {
  return new CacheError("usage", "invalid-url", `the Redis store's address ${why}`, {
    hint: "Write it like redis://host:6379/0, or rediss:// for TLS.",
  });
}

function decode(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUrl("has a user or password that is not percent-encoded");
  }
}

const hostInUrl = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

function tlsOptions(settings: ConnectionSettings, host: string): ConnectionOptions {
  const { ca, cert, key, rejectUnauthorized } = settings.tls ?? {};
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    ...(isIP(host) === 0 && { servername: host }),
  };
}
