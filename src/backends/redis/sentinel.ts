import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { type Address, type Place, placeText, type ServerAddress, targetOf } from "./address.js";
import {
  type Command,
  type Connection,
  type ConnectionSettings,
  DEFAULT_TIMEOUT_MS,
  type Primary,
} from "./connection.js";
import { abortedBy, isDown, isReply, mapError, noneOf } from "./errors.js";
import { asArray, asText } from "./reply.js";
import { Server } from "./server.js";

const WAIT_BASE_MS = 20;
const WAIT_MAX_MS = 250;
/** How long a server that says it can't serve is asked again: it may be the moment of a failover. */
const DOWN_MS = 1000;

/**
 * A primary that Sentinels watch (https://redis.io/docs/latest/develop/reference/sentinel-clients/). Where it is, they are asked at the start and
 * after every loss; who they name must say itself that it is the primary. What it refuses as a replica is sent to its successor; what may have been
 * done is not sent again.
 */
export class SentinelConnection implements Connection {
  readonly target: string;
  readonly clustered = false;
  readonly #address: Address;
  readonly #settings: ConnectionSettings;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;
  readonly #commandTimeoutMs: number;
  readonly #over = new AbortController();
  #primary: Server | undefined;
  /** The last request was not answered in time. */
  #silence: CacheError | undefined;
  #finding: Promise<Server> | undefined;

  private constructor(address: Address, settings: ConnectionSettings, clock: Clock) {
    this.target = targetOf(address);
    this.#address = address;
    this.#settings = settings;
    this.#clock = clock;
    this.#connectTimeoutMs = settings.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#commandTimeoutMs = settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** @throws CacheError `unknown-primary` where the Sentinels do not know the name, or what `mapError` makes of the failure */
  static async open(address: Address, settings: ConnectionSettings, clock: Clock): Promise<SentinelConnection> {
    const connection = new SentinelConnection(address, settings, clock);
    try {
      await connection.#find(connection.#connectTimeoutMs);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  checkOpen(): void {
    if (this.#over.signal.aborted) {
      throw new CacheError("usage", "closed", `the connection to ${this.target} is closed`);
    }
  }

  checkAnswering(): void {
    if (this.#silence) throw this.#silence;
  }

  async call(command: Command): Promise<unknown> {
    const [reply] = await this.pipeline([command]);
    return reply;
  }

  async pipeline(commands: readonly Command[]): Promise<unknown[]> {
    const results = await this.pipelineRaw(commands);
    for (const result of results) if (result instanceof Error) throw mapError(result, this.target);
    return results;
  }

  async pipelineRaw(commands: readonly Command[]): Promise<unknown[]> {
    this.checkOpen();
    try {
      return await this.#settle(commands);
    } catch (error) {
      this.checkOpen();
      throw error;
    }
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
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    const server = this.#primary;
    this.#primary = undefined;
    await server?.close();
  }

  /** Sends the commands, and those that a server refuses as a replica once more to the primary, until the time is over. */
  async #settle(commands: readonly Command[]): Promise<unknown[]> {
    const began = this.#clock.monotonic();
    const end = began + this.#commandTimeoutMs;
    const last = Math.min(end, began + DOWN_MS);
    const replies: unknown[] = new Array(commands.length);
    let open: readonly number[] = commands.map((_, i) => i);
    for (let wait = WAIT_BASE_MS; ; wait = Math.min(wait * 2, WAIT_MAX_MS)) {
      const server = await this.#ready(end);
      const waiting = new Set(open);
      const answers = await this.#exchange(
        server,
        commands.filter((_, i) => waiting.has(i)),
        end,
      );
      for (const [n, i] of open.entries()) replies[i] = answers[n];
      open = open.filter((i) => isDown(replies[i]));
      if (open.length === 0) return replies;
      if (this.#settings.signal?.aborted) throw abortedBy(this.#settings.signal);
      this.#leave(server);
      if (this.#clock.monotonic() + wait >= last) return replies;
      await this.#clock.sleep(wait, this.#over.signal);
      this.checkOpen();
    }
  }
  /** A primary that is connected; one that can't be reached is looked for once more. Nothing was sent yet. */
  async #ready(end: number): Promise<Server> {
    const known = this.#primary;
    if (known) {
      try {
        await known.ready(end - this.#clock.monotonic());
        return known;
      } catch (error) {
        if (!(error instanceof CacheError) || error.kind !== "connection" || this.#settings.signal?.aborted)
          throw error;
        this.#leave(known);
      }
    }
    return this.#find(end - this.#clock.monotonic());
  }

  async #exchange(server: Server, commands: readonly Command[], end: number): Promise<unknown[]> {
    try {
      const limit = Math.min(this.#commandTimeoutMs, end - this.#clock.monotonic());
      const replies = await server.pipelineRaw(commands, limit);
      this.#silence = undefined;
      return replies;
    } catch (error) {
      // Lost, or silent: by the next call there may be another primary.
      this.#leave(server);
      this.checkOpen();
      if (!(error instanceof CacheError)) throw error;
      if (error.kind === "timeout") this.#silence = error;
      // Another call that went wrong has ended the connection under this one.
      throw error.code === "closed" ? mapError(new Error("Connection is closed."), this.target) : error;
    }
  }

  #leave(server: Server): void {
    if (this.#primary === server) this.#primary = undefined;
    void server.close();
  }

  /** Calls that overlap share one search. @param limit milliseconds */
  #find(limit: number): Promise<Server> {
    this.#finding ??= this.#search(limit).finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #search(limit: number): Promise<Server> {
    const tried = new Map<string, Promise<Server>>();
    const opened: Server[] = [];
    let isOver = false;
    const { places } = this.#address;
    const asked = places.map((sentinel) => `Sentinel ${placeText(sentinel)}`);
    const ask = async (sentinel: Place, i: number) => {
      const place = await this.#whoIsPrimary(sentinel, limit);
      const name = placeText(place);
      asked[i] = `primary ${name}`;
      if (isOver) throw mapError(new Error("Connection is closed."), name);
      const known = tried.get(name) ?? this.#openPrimary(place, limit, opened);
      tried.set(name, known);
      return known;
    };
    const found = await Promise.any(places.map(ask))
      .catch((error: unknown) => {
        if (!(error instanceof AggregateError)) throw error;
        const tried = asked.map((server, i) => ({ name: server, error: error.errors[i] }));
        throw noneOf(`the primary behind the Sentinels ${this.target}`, tried);
      })
      .finally(() => {
        isOver = true;
      });
    for (const server of opened) if (server !== found) void server.close();
    if (this.#over.signal.aborted) {
      await found.close();
      this.checkOpen();
    }
    this.#primary = found;
    return found;
  }

  async #whoIsPrimary(sentinel: Place, limit: number): Promise<Place> {
    const { secure, sentinel: identity, name } = this.#address;
    const server = await Server.at({ ...sentinel, ...identity, secure, db: 0 }, this.#settings, this.#clock);
    try {
      const [reply] = await server.pipelineRaw([["SENTINEL", "get-master-addr-by-name", name]], limit);
      if (reply instanceof Error) throw noSentinel(reply, server.target);
      if (reply === null) throw unknownPrimary(name, server.target);
      const [host, port] = asArray(reply).map(asText);
      return { host: host ?? "", port: Number(port) };
    } catch (error) {
      throw bySentinel(error);
    } finally {
      void server.close();
    }
  }

  async #openPrimary(place: Place, limit: number, opened: Server[]): Promise<Server> {
    const { secure, db, username, password } = this.#address;
    const address: ServerAddress = {
      ...place,
      secure,
      db,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    };
    const server = await Server.at(address, this.#settings, this.#clock);
    opened.push(server);
    try {
      await this.#checkPrimary(server, limit);
      return server;
    } catch (error) {
      void server.close();
      throw error;
    }
  }

  async #checkPrimary(server: Server, limit: number): Promise<void> {
    const [role, pong] = await server.pipelineRaw([["ROLE"], ["PING"]], limit);
    if (pong instanceof Error && !isReply(pong, "NOPERM")) throw mapError(pong, server.target);
    // Who may not ask for the role takes the word of the Sentinels.
    if (role instanceof Error) {
      if (!isReply(role, "NOPERM")) throw mapError(role, server.target);
    } else if (asText(asArray(role)[0]) !== "master") {
      throw new CacheError("connection", "store-unreachable", `${server.target} is not the primary yet`, {
        hint: "Try again when the Sentinels have agreed on a primary.",
      });
    }
  }
}

function unknownPrimary(name: string, target: string): CacheError {
  return new CacheError(
    "usage",
    "unknown-primary",
    `the Sentinel ${target} knows no primary named ${JSON.stringify(name)}`,
    {
      hint: "Check the name: it is the one of `sentinel monitor` in the Sentinel's configuration.",
    },
  );
}

/** Who reads that a password is missing thinks of the one of the servers. */
function bySentinel(error: unknown): unknown {
  if (!(error instanceof CacheError) || error.kind !== "authentication") return error;
  return new CacheError(error.kind, error.code, `the Sentinel ${error.message}`, {
    cause: error,
    hint: "Sentinels have a password of their own, apart from that of the servers: check that one.",
  });
}

function noSentinel(reply: Error, target: string): CacheError {
  if (!/unknown command/i.test(reply.message)) return mapError(reply, target);
  return new CacheError("usage", "no-sentinel", `${target} is no Sentinel`, {
    hint: "Name the Sentinels (port 26379 by default), or write redis:// for the server itself.",
  });
}
