import { CacheError } from "../../errors.js";
import { type Place, placeText } from "./address.js";
import type { Node } from "./connection.js";
import { mapError, noneOf, type Tried } from "./errors.js";
import type { Server } from "./server.js";
import { readSlots, type Topology } from "./topology.js";

/** Makes a connection to one node, which is not connected yet. */
export type OpenNode = (place: Place) => Promise<Server>;

/** The nodes of a cluster that are spoken to, and the table of who holds which slots. */
export class Nodes {
  readonly #target: string;
  readonly #seeds: readonly Place[];
  readonly #open: OpenNode;
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #opened = new Set<Server>();
  #topology: Topology | undefined;
  #reading: Promise<Topology> | undefined;

  /** @param target the cluster for people, without secrets */
  constructor(target: string, seeds: readonly Place[], open: OpenNode) {
    this.#target = target;
    this.#seeds = seeds;
    this.#open = open;
  }

  /** The primary of a slot; without a slot, any. */
  ownerOf(slot: number | undefined): Place | undefined {
    return slot === undefined ? this.#topology?.primaries[0] : this.#topology?.ownerOf(slot);
  }

  /** What a node has said of one slot since the table was read. */
  move(slot: number, place: Place): void {
    this.#topology?.move(slot, place);
  }

  at(place: Place): Promise<Server> {
    const name = placeText(place);
    const known = this.#servers.get(name);
    if (known) return known;
    const opening = this.#open(place).then((server) => {
      this.#opened.add(server);
      return server;
    });
    this.#servers.set(name, opening);
    return opening;
  }

  /** A node for who keeps it for longer: it may be let go of in between. */
  node(place: Place): Node {
    const server = () => this.at(place);
    return {
      target: `redis://${placeText(place)}`,
      call: async (command) => (await server()).call(command),
      pipelineRaw: async (commands) => (await server()).pipelineRaw(commands),
      pipeline: async (commands) => (await server()).pipeline(commands),
    };
  }

  /** @throws CacheError if a node left the last request without an answer */
  checkAnswering(): void {
    for (const server of this.#opened) server.checkAnswering();
  }

  /**
   * The table as the first node that answers has it; calls that overlap share one reading.
   * @param limit milliseconds
   * @throws CacheError when no node answers
   */
  refresh(limit: number): Promise<Topology> {
    this.#reading ??= this.#read(limit).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async close(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    this.#opened.clear();
    for (const result of await Promise.allSettled(servers)) {
      if (result.status === "fulfilled") await result.value.close();
    }
  }

  async #read(limit: number): Promise<Topology> {
    const known = this.#topology?.places ?? new Map<string, Place>();
    const rest = this.#seeds.filter((seed) => !known.has(placeText(seed)));
    const tried: Tried[] = [];
    // The nodes that hold data first, together; what the address names is for when none of them answers.
    for (const places of [[...known.values()], rest]) {
      if (places.length === 0) continue;
      try {
        this.#topology = await Promise.any(places.map((place) => this.#ask(place, limit)));
        this.#forgetOthers(this.#topology);
        return this.#topology;
      } catch (error) {
        if (!(error instanceof AggregateError)) throw error;
        for (const [i, place] of places.entries()) tried.push({ name: placeText(place), error: error.errors[i] });
      }
    }
    throw noneOf(`the Redis Cluster ${this.#target}`, tried);
  }

  async #ask(place: Place, limit: number): Promise<Topology> {
    const server = await this.at(place);
    const [reply] = await server.pipelineRaw([["CLUSTER", "SLOTS"]], limit);
    if (reply instanceof Error) throw refused(reply, server.target);
    const topology = readSlots(reply, place);
    if (topology.primaries.length === 0) throw mapError(new Error("CLUSTERDOWN no slots"), server.target);
    return topology;
  }

  /** Lets go of nodes that hold no slots any more. */
  #forgetOthers(topology: Topology): void {
    const used = topology.places;
    for (const server of this.#opened) {
      const { place } = server;
      if (used.has(placeText(place)) || server.isBusy) continue;
      this.#opened.delete(server);
      this.#servers.delete(placeText(place));
      void server.close();
    }
  }
}

function refused(reply: Error, target: string): CacheError {
  if (!/cluster support disabled/i.test(reply.message)) return mapError(reply, target);
  return new CacheError("usage", "no-cluster", `${target} is not a node of a Redis Cluster`, {
    hint: "Write redis:// for a single server.",
  });
}
