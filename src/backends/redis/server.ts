import type { Redis } from "ioredis";
import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { parseAddress, targetOf, tlsOptions } from "./address.js";
import type { Command, Connection, ConnectionSettings, Node } from "./connection.js";
import { abortedBy, clusterNodeError, isNoRedis, isReply, isServerReply, isTimeout, mapError } from "./errors.js";

/** Attempts to come back after a loss; then the next call tries anew. */
const RECONNECT_ATTEMPTS = 3;
const RECONNECT_BASE_MS = 100;

const DISCONNECT_MS = 50;

const DEFAULT_TIMEOUT_MS = 5000;

/** After the signal, a server that has said nothing for so long is left. */
const SILENCE_MS = 500;

/**
 * One connection to one server that fails rather than waits: nothing is queued while the server is away, nothing is sent twice, and every call
 * ends within the connect and command timeouts. Replies are bytes.
 */
export class Server implements Connection {
  /** `redis://host:port/db`, without secrets. */
  readonly target: string;
  readonly clustered = false;
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  readonly #commandTimeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  /** Aborted when nothing is waited for any more: closed, or left. */
  readonly #over = new AbortController();
  readonly #onAbort = () => void this.#watch();
  #lastError: unknown;
  #opening: Promise<void> | undefined;
  #closed = false;
  /** The attempts that ioredis makes by itself were ended; it still says "reconnecting". */
  #gaveUp = false;
  /** Requests that were not answered yet. */
  #pending = 0;
  /** When an answer came, or the first of the pending requests went out; monotonic. */
  #heardAt = 0;
  /** The last request was not answered in time. */
  #silent = false;
  #watching = false;

  private constructor(redis: Redis, target: string, clock: Clock, settings: ConnectionSettings) {
    this.#redis = redis;
    this.target = target;
    this.#clock = clock;
    this.#connectTimeoutMs = settings.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#commandTimeoutMs = settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#signal = settings.signal;
  }

  /**
   * Connects and sees that the server answers.
   * @throws CacheError `invalid-url`, or what {@link mapError} makes of the failure
   */
  static async open(settings: ConnectionSettings, clock: Clock): Promise<Server> {
    const { signal, connectTimeoutMs = DEFAULT_TIMEOUT_MS } = settings;
    if (signal?.aborted) throw abortedBy(signal);
    const address = parseAddress(settings);
    const target = targetOf(address);
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
    const connection = new Server(redis, target, clock, settings);
    isHopeless = () => connection.#isHopeless();
    connection.#listen();
    try {
      await connection.#answered(() => connection.#greet(), connectTimeoutMs);
      return connection;
    } catch (error) {
      connection.#leave();
      throw error;
    }
  }

  /** @throws CacheError `closed` after {@link close} */
  checkOpen(): void {
    if (this.#closed) throw new CacheError("usage", "closed", `the connection to ${this.target} is closed`);
    if (this.#over.signal.aborted) throw abortedBy(this.#signal);
  }

  /** @throws CacheError if the server left the last request without an answer */
  checkAnswering(): void {
    if (this.#silent) throw mapError(timedOut(), this.target);
  }

  /** @throws CacheError, see {@link mapError} */
  async call(command: Command): Promise<unknown> {
    const [name, ...args] = command;
    return this.#answered(() => this.#redis.callBuffer(name, args));
  }

  /**
   * Sends the commands at once. An error reply to one of them is its result, as ioredis's own error; a lost connection or a timeout throws.
   * @throws CacheError
   */
  async pipelineRaw(commands: readonly Command[]): Promise<unknown[]> {
    return this.#answered(() => this.#exec(commands));
  }

  /** As {@link pipelineRaw}; any error reply throws. */
  async pipeline(commands: readonly Command[]): Promise<unknown[]> {
    const results = await this.pipelineRaw(commands);
    for (const result of results) if (result instanceof Error) throw mapError(result, this.target);
    return results;
  }

  async primaries(): Promise<readonly Node[]> {
    return [this];
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
    const ended = new Promise<void>((resolve) => this.#redis.once("end", () => resolve()));
    this.#leave();
    // Between two attempts there is no socket whose end could be told: ioredis only forgets the next attempt.
    if (status !== "end" && status !== "wait" && status !== "reconnecting") await ended;
  }

  #leave(): void {
    this.#over.abort();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#redis.disconnect();
  }

  /** True if connecting again can't help. */
  #isHopeless(): boolean {
    if (this.#over.signal.aborted) return true;
    if (this.#lastError === undefined) return false;
    const { kind, code } = mapError(this.#lastError, this.target);
    return kind === "authentication" || kind === "usage" || code === "tls-failed" || code === "not-redis";
  }

  #listen(): void {
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#redis.on("error", (error: unknown) => {
      // What the server said goes before what followed from it, the end of the connection.
      if (!isAnswer(this.#lastError)) this.#lastError = error;
      // ioredis goes on in database 0 when SELECT is refused: other people's keys.
      if (isAnswer(error)) this.#redis.disconnect();
    });
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
    if (this.#over.signal.aborted) this.checkOpen();
    const began = this.#clock.monotonic();
    if (this.#pending++ === 0) this.#heardAt = began;
    if (this.#signal?.aborted) void this.#watch();
    try {
      let answer: T;
      if (this.#redis.status === "ready") answer = await send();
      else {
        await this.#ready();
        answer = await this.#within(limit - (this.#clock.monotonic() - began), send(), timedOut);
      }
      this.#heard();
      return answer;
    } catch (error) {
      if (isServerReply(error)) this.#heard();
      else if (isTimeout(error)) this.#silent = true;
      throw this.#fail(error);
    } finally {
      this.#pending -= 1;
    }
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#silent = false;
  }

  /** The work, or the failure when it takes longer than `ms`, or when nothing is waited for any more. */
  async #within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
    const done = new AbortController();
    const timer = AbortSignal.any([done.signal, this.#over.signal]);
    const end = this.#clock.sleep(Math.max(0, ms), timer).then(() => {
      if (!done.signal.aborted) throw late();
    });
    try {
      await Promise.race([work, end]);
      return await work;
    } finally {
      done.abort();
    }
  }

  /** After the signal: leaves the server as soon as it has been silent for too long with requests pending. */
  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    while (this.#pending > 0 && !this.#over.signal.aborted) {
      const left = this.#heardAt + SILENCE_MS - this.#clock.monotonic();
      await this.#clock.sleep(Math.max(0, left), this.#over.signal);
      // Answers that came while this process was busy are read first.
      await new Promise(setImmediate);
      if (this.#pending === 0 || this.#clock.monotonic() - this.#heardAt < SILENCE_MS) continue;
      this.#leave();
    }
    this.#watching = false;
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
    try {
      // The socket's own timeout ends at "connected"; a server that then says nothing must not hold the caller.
      await this.#within(this.#connectTimeoutMs, attempt, notConnected);
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
    if (Buffer.isBuffer(info) && info.includes("cluster_enabled:1")) throw clusterNodeError(this.target);
  }

  #fail(error: unknown): CacheError {
    if (this.#closed) return new CacheError("usage", "closed", `the connection to ${this.target} was closed`);
    if (this.#over.signal.aborted) return abortedBy(this.#signal);
    return mapError(error, this.target);
  }
}

/** As ioredis says it. */
const timedOut = () => new Error("Command timed out");
const notConnected = () => Object.assign(new Error("connect ETIMEDOUT"), { code: "ETIMEDOUT" });

/** True if something answered, and what it said is the end of this connection. */
const isAnswer = (error: unknown) => isServerReply(error) || isNoRedis(error);
