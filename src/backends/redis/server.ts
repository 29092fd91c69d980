import type { Redis } from "ioredis";
import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { type Place, type ServerAddress, serverTarget, tlsOptions } from "./address.js";
import {
  type Command,
  type Connection,
  type ConnectionSettings,
  DEFAULT_TIMEOUT_MS,
  type Primary,
} from "./connection.js";
import { abortedBy, isNoRedis, isReply, isServerReply, mapError } from "./errors.js";
import { Patience } from "./patience.js";

/** Attempts to come back after a loss; then the next call tries anew. */
const RECONNECT_ATTEMPTS = 3;
const RECONNECT_BASE_MS = 100;

const DISCONNECT_MS = 50;

const SOCKET_GRACE_MS = 10;

/**
 * One connection to one server that fails rather than waits: nothing is queued while the server is away, nothing is sent twice, and every call
 * ends within the connect and command timeouts. Replies are bytes.
 */
export class Server implements Connection {
  /** `redis://host:port/db`, without secrets. */
  readonly target: string;
  readonly place: Place;
  readonly clustered = false;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  readonly #commandTimeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #patience: Patience;
  #lastError: unknown;
  #opening: Promise<void> | undefined;
  #closed = false;
  /** The attempts that ioredis makes by itself were ended; it still says "reconnecting". */
  #gaveUp = false;
  #isNode = false;

  private constructor(redis: Redis, address: ServerAddress, clock: Clock, settings: ConnectionSettings) {
    this.#redis = redis;
    this.place = { host: address.host, port: address.port };
    this.target = serverTarget(address);
    this.#clock = clock;
    this.#connectTimeoutMs = settings.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#commandTimeoutMs = settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#signal = settings.signal;
    this.#patience = new Patience(clock, settings.signal, () => this.#leave());
    this.#redis.on("error", (error: unknown) => {
      // What the server said goes before what followed from it, the end of the connection.
      if (!isAnswer(this.#lastError)) this.#lastError = error;
      // ioredis goes on in database 0 when SELECT is refused: other people's keys.
      if (isAnswer(error)) this.#redis.disconnect();
    });
  }

  /** Not connected yet: the first request does that. */
  static async at(address: ServerAddress, settings: ConnectionSettings, clock: Clock): Promise<Server> {
    const { signal, connectTimeoutMs = DEFAULT_TIMEOUT_MS } = settings;
    if (signal?.aborted) throw abortedBy(signal);
    const { Redis } = await import("ioredis");
    let isHopeless = () => true;
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
      commandTimeout: settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS,
      // A connection whose other end is gone without a word would fail every command to come: it is left, a moment after the command itself has failed.
      socketTimeout: (settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS) + SOCKET_GRACE_MS,
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
        attempt > RECONNECT_ATTEMPTS || isHopeless() ? null : RECONNECT_BASE_MS * 2 ** (attempt - 1),
    });
    const server = new Server(redis, address, clock, settings);
    isHopeless = () => server.#isHopeless();
    return server;
  }

  /**
   * Connects and sees that the server answers.
   * @throws CacheError what {@link mapError} makes of the failure
   */
  static async open(address: ServerAddress, settings: ConnectionSettings, clock: Clock): Promise<Server> {
    const server = await Server.at(address, settings, clock);
    try {
      await server.#answered(() => server.#greet(), server.#connectTimeoutMs);
      return server;
    } catch (error) {
      server.#leave();
      throw error;
    }
  }

  /** It has said that it is a part of a cluster. */
  get isClusterNode(): boolean {
    return this.#isNode;
  }

  /** There are requests that were not answered yet. */
  get isBusy(): boolean {
    return this.#patience.isBusy;
  }

  /** @throws CacheError `closed` after {@link close} */
  checkOpen(): void {
    if (this.#closed) throw new CacheError("usage", "closed", `the connection to ${this.target} is closed`);
    this.#patience.check();
  }

  /** @throws CacheError if the server left the last request without an answer */
  checkAnswering(): void {
    if (this.#patience.isSilent) throw mapError(timedOut(), this.target);
  }

  /**
   * Connects, where it is not connected. When this fails, nothing was sent.
   * @param limit milliseconds
   */
  async ready(limit = this.#commandTimeoutMs): Promise<void> {
    if (this.#redis.status !== "ready" || this.#patience.isOver) await this.#answered(async () => undefined, limit);
  }

  async call(command: Command): Promise<unknown> {
    const [name, ...args] = command;
    return this.#answered(() => this.#redis.callBuffer(name, args));
  }

  /** @param limit milliseconds, default and at most the command timeout */
  async pipelineRaw(commands: readonly Command[], limit = this.#commandTimeoutMs): Promise<unknown[]> {
    return this.#answered(() => this.#exec(commands), limit);
  }

  async pipeline(commands: readonly Command[]): Promise<unknown[]> {
    const results = await this.pipelineRaw(commands);
    for (const result of results) if (result instanceof Error) throw mapError(result, this.target);
    return results;
  }

  async primaries(): Promise<readonly Primary[]> {
    return [{ id: "", node: this }];
  }

  async ping(): Promise<number> {
    const start = this.#clock.monotonic();
    await this.call(["PING"]);
    return this.#clock.monotonic() - start;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { status } = this.#redis;
    const ended = new Promise<void>((resolve) => this.#redis.once("end", () => resolve()));
    this.#leave();
    // Between two attempts there is no socket whose end could be told: ioredis only forgets the next attempt.
    if (status !== "end" && status !== "wait" && status !== "reconnecting") await ended;
  }

  #leave(): void {
    this.#patience.end();
    this.#redis.disconnect();
  }

  /** True if connecting again can't help. */
  #isHopeless(): boolean {
    if (this.#patience.isOver) return true;
    if (this.#lastError === undefined) return false;
    const { kind, code } = mapError(this.#lastError, this.target);
    return kind === "authentication" || kind === "usage" || code === "tls-failed" || code === "not-redis";
  }

  async #exec(commands: readonly Command[]): Promise<unknown[]> {
    if (commands.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.callBuffer(name, args);
    const results = await pipeline.exec();
    return (results ?? []).map(([error, reply]) => {
      if (!error) return reply;
      if (isServerReply(error)) return error;
      throw error;
    });
  }

  /** What is sent once there is a connection, with its answer; where that takes connecting first, both have `limit` milliseconds together. */
  async #answered<T>(send: () => Promise<T>, limit = this.#commandTimeoutMs): Promise<T> {
    if (this.#patience.isOver) this.checkOpen();
    const began = this.#clock.monotonic();
    try {
      return await this.#patience.answered(async () => {
        // ioredis has the command timeout itself.
        if (this.#redis.status === "ready" && limit >= this.#commandTimeoutMs) return send();
        if (this.#redis.status !== "ready") await this.#ready();
        return this.#patience.within(limit - (this.#clock.monotonic() - began), send(), timedOut);
      });
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async #ready(): Promise<void> {
    this.checkOpen();
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
    try {
      // The socket's own timeout ends at "connected"; a server that then says nothing must not hold the caller.
      await this.#patience.within(this.#connectTimeoutMs, attempt, notConnected);
      // ioredis says "ready" although the server has refused the database, or is no Redis.
      if (isAnswer(this.#lastError)) throw this.#lastError;
    } catch (error) {
      this.#gaveUp = true;
      this.#redis.disconnect();
      this.checkOpen();
      throw mapError(this.#lastError ?? error, this.target);
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
    this.#isNode = Buffer.isBuffer(info) && info.includes("cluster_enabled:1");
  }

  #fail(error: unknown): CacheError {
    if (this.#closed) return new CacheError("usage", "closed", `the connection to ${this.target} was closed`);
    if (this.#patience.isOver) return abortedBy(this.#signal);
    return mapError(error, this.target);
  }
}

/** As ioredis says it. */
const timedOut = () => new Error("Command timed out");
const notConnected = () => Object.assign(new Error("connect ETIMEDOUT"), { code: "ETIMEDOUT" });

/** True if something answered, and what it said is the end of this connection. */
const isAnswer = (error: unknown) => isServerReply(error) || isNoRedis(error);
