import { type Place, placeText } from "./address.js";
import { asArray, asInteger, asText } from "./reply.js";
import { SLOTS } from "./slots.js";

/** A node that holds data. */
export interface PrimaryPlace extends Place {
  /** The node's own name, which survives a restart and a move to another address. */
  id: string;
}

/** Who holds which slots of a cluster. */
export class Topology {
  /** In the order of their ids. */
  readonly primaries: readonly PrimaryPlace[];
  /** The places of all that hold slots, by their text. */
  readonly places = new Map<string, Place>();
  /** The place of each slot's primary, undefined where the cluster has none. */
  readonly #places: (Place | undefined)[];

  constructor(ranges: readonly { from: number; to: number; primary: PrimaryPlace }[]) {
    const byId = new Map(ranges.map(({ primary }) => [primary.id, primary]));
    this.primaries = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#places = new Array<Place | undefined>(SLOTS).fill(undefined);
    for (const { from, to, primary } of ranges) this.#places.fill(primary, from, to + 1);
    for (const primary of this.primaries) this.places.set(placeText(primary), primary);
  }

  ownerOf(slot: number): Place | undefined {
    return this.#places[slot];
  }

  /** What a node has said of one slot since. */
  move(slot: number, place: Place): void {
    this.#places[slot] = place;
    this.places.set(placeText(place), place);
  }
}

/**
 * The reply to CLUSTER SLOTS (https://redis.io/docs/latest/commands/cluster-slots/).
 * @param asked who replied: a node that does not know its own host leaves it out
 */
export function readSlots(reply: unknown, asked: Place): Topology {
  return new Topology(
    asArray(reply).map((range) => {
      const [from, to, node] = asArray(range);
      const [host, port, id] = asArray(node);
      const name = host === null ? "" : asText(host);
      const place = { host: name === "" || name === "?" ? asked.host : name, port: asInteger(port) };
      return { from: asInteger(from), to: asInteger(to), primary: { ...place, id: asText(id ?? "") } };
    }),
  );
}

/** Where `MOVED slot host:port` and `ASK slot host:port` point. */
export function readRedirect(message: string, asked?: Place): { slot: number; place: Place } | undefined {
  const [, slot, host = "", port] = /^(?:MOVED|ASK) (\d+) (.*):(\d+)$/.exec(message) ?? [];
  if (slot === undefined) return undefined;
  const place = { host: host === "" || host === "?" ? (asked?.host ?? host) : host, port: Number(port) };
  return { slot: Number(slot), place };
}
