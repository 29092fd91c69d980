import { setMaxListeners } from "node:events";
import type { Clock } from "../../clock.js";
import { CacheError, messageOf } from "../../errors.js";
import { type Address, type Place, placeText, targetOf } from "./address.js";
import {
  type Command,
  type Connection,
  type ConnectionSettings,
  DEFAULT_TIMEOUT_MS,
  type Primary,
} from "./connection.js";
import { abortedBy, isDown, isReply, isSlotMoving, mapError } from "./errors.js";
import { Nodes, type OpenNode } from "./nodes.js";
import { joined, type Part, partsOf } from "./parts.js";
import type { Server } from "./server.js";
import { readRedirect } from "./topology.js";

/** Redirections of one command that are followed at once; with more, the nodes do not agree yet. */
const MAX_REDIRECTIONS = 8;
/** After so many slots that were elsewhere than believed, the whole table is read anew. */
const MOVES_BEFORE_REFRESH = 16;
const WAIT_BASE_MS = 10;
const WAIT_MAX_MS = 250;
/** How long a node that says it can't serve is asked again: it may be the moment of a failover. */
const DOWN_MS = 1000;

/**
 * A Redis Cluster: each command goes to the primary of its key's slot, and follows the slot when that moves. What a node refuses without having done
 * it is sent again, within the command timeout; what may have been done is not.
 */
export class Cluster implements Connection {
  readonly target: string;
  readonly clustered = true;
  readonly #nodes: Nodes;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #commandTimeoutMs: number;
  readonly #over = new AbortController();
  /** Slots that were elsewhere than believed since the table was read. */
  #moves = 0;

  private constructor(address: Address, settings: ConnectionSettings, clock: Clock, open: OpenNode) {
    this.target = targetOf({ ...address, topology: "cluster" });
    this.#nodes = new Nodes(this.target, address.places, open);
    this.#clock = clock;
    this.#signal = settings.signal;
    this.#commandTimeoutMs = settings.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    // As many as there are calls that wait for a slot to be served again: Node would warn of a leak.
    setMaxListeners(0, this.#over.signal);
  }

  /** @throws CacheError when none of the nodes that the address names tells where the slots are */
  static async open(address: Address, settings: ConnectionSettings, clock: Clock, open: OpenNode): Promise<Cluster> {
    const cluster = new Cluster(address, settings, clock, open);
    try {
      await cluster.#nodes.refresh(settings.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  checkOpen(): void {
    if (this.#over.signal.aborted) {
      throw new CacheError("usage", "closed", `the connection to ${this.target} is closed`);
    }
  }

  checkAnswering(): void {
    this.#nodes.checkAnswering();
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
    const parts = partsOf(commands);
    try {
      await this.#settle(parts.flat());
    } catch (error) {
      // That one of its nodes was let go of is nothing that the caller did.
      this.checkOpen();
      throw error;
    }
    return commands.map((command, i) => joined(command, parts[i] ?? []));
  }

  /** With the table as the nodes have it now. */
  async primaries(): Promise<readonly Primary[]> {
    this.checkOpen();
    const { primaries } = await this.#nodes.refresh(this.#commandTimeoutMs);
    return primaries.map((primary) => ({ id: primary.id, node: this.#nodes.node(primary) }));
  }

  async ping(): Promise<number> {
    this.checkOpen();
    const { primaries } = await this.#nodes.refresh(this.#commandTimeoutMs);
    const times = await Promise.all(primaries.map(async (primary) => (await this.#nodes.at(primary)).ping()));
    return Math.max(...times);
  }

  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    await this.#nodes.close();
  }

  /** Sends the parts until each is answered, refused for good, or the time is over. */
  async #settle(parts: readonly Part[]): Promise<void> {
    const began = this.#clock.monotonic();
    const end = began + this.#commandTimeoutMs;
    let open: readonly Part[] = parts;
    for (let wait = WAIT_BASE_MS; ; ) {
      const refused = await this.#send(open, end);
      if (refused.length === 0) return;
      // Of a command on many keys that a moving slot holds up, each key goes on its own.
      open = refused.flatMap((part) => part.divide());
      if (open.length > refused.length) continue;
      if (open.every(({ redirections }) => redirections > 0 && redirections <= MAX_REDIRECTIONS)) continue;
      if (this.#signal?.aborted) throw abortedBy(this.#signal);
      const last = open.some(({ reply }) => isDown(reply)) ? Math.min(end, began + DOWN_MS) : end;
      if (this.#clock.monotonic() + wait >= last) break;
      await this.#clock.sleep(wait, this.#over.signal);
      this.checkOpen();
      await this.#nodes.refresh(end - this.#clock.monotonic());
      wait = Math.min(wait * 2, WAIT_MAX_MS);
    }
    for (const part of open) {
      if (readRedirect(messageOf(part.reply))) part.reply = mapError(new Error("TRYAGAIN slots move"), this.target);
    }
  }

  /** One round. @returns the parts that a node has refused without doing them */
  async #send(parts: readonly Part[], end: number): Promise<Part[]> {
    if (this.#moves >= MOVES_BEFORE_REFRESH) {
      this.#moves = 0;
      await this.#nodes.refresh(end - this.#clock.monotonic());
    }
    const groups = new Map<string, { place: Place; parts: Part[] }>();
    const again: Part[] = [];
    for (const part of parts) {
      const place = part.asking ?? this.#nodes.ownerOf(part.slot);
      if (!place) {
        part.reply = new Error("CLUSTERDOWN Hash slot not served");
        again.push(part);
        continue;
      }
      const name = placeText(place);
      const group = groups.get(name);
      if (group) group.parts.push(part);
      else groups.set(name, { place, parts: [part] });
    }
    const rounds = [...groups.values()].map(({ place, parts: own }) => this.#sendTo(place, own, end));
    // All of them, so that none is left to fail unheard.
    for (const result of await Promise.allSettled(rounds)) {
      if (result.status === "rejected") throw result.reason;
      again.push(...result.value);
    }
    return again;
  }

  async #sendTo(place: Place, parts: readonly Part[], end: number): Promise<Part[]> {
    const server = await this.#nodes.at(place);
    try {
      await server.ready(end - this.#clock.monotonic());
    } catch (error) {
      // Nothing was sent yet: whoever has the slots by now may have it.
      return this.#elsewhere(place, parts, error, end);
    }
    const commands = parts.flatMap((part): Command[] => (part.asking ? [["ASKING"], part.command] : [part.command]));
    const replies = await this.#exchange(server, commands, end);
    let next = 0;
    return parts.filter((part) => {
      if (part.asking) next += 1;
      part.reply = replies[next++];
      delete part.asking;
      return part.reply instanceof Error && this.#isRefusal(part, part.reply, place);
    });
  }

  async #exchange(server: Server, commands: readonly Command[], end: number): Promise<unknown[]> {
    const limit = Math.min(this.#commandTimeoutMs, end - this.#clock.monotonic());
    return server.pipelineRaw(commands, limit);
  }

  /** True for a reply that says where else the command belongs, or that it should come again. */
  #isRefusal(part: Part, reply: Error, place: Place): boolean {
    const redirect = readRedirect(reply.message, place);
    if (!redirect) {
      part.redirections = 0;
      return isSlotMoving(reply) || isDown(reply);
    }
    part.redirections += 1;
    if (isReply(reply, "ASK")) part.asking = redirect.place;
    else {
      this.#moves += 1;
      this.#nodes.move(redirect.slot, redirect.place);
    }
    return true;
  }

  /** What can't be sent to a node that is away. @throws CacheError where the slots are still said to be there */
  async #elsewhere(place: Place, parts: readonly Part[], error: unknown, end: number): Promise<Part[]> {
    this.checkOpen();
    if (!(error instanceof CacheError) || error.kind !== "connection" || this.#signal?.aborted) throw error;
    await this.#nodes.refresh(end - this.#clock.monotonic());
    for (const part of parts) {
      const owner = this.#nodes.ownerOf(part.slot);
      part.redirections += 1;
      if (!owner || placeText(owner) === placeText(place) || part.redirections > MAX_REDIRECTIONS) throw error;
      delete part.asking;
    }
    return [...parts];
  }
}
