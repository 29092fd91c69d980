import { CacheError } from "../../errors.js";
import type { Node } from "./connection.js";
import { mapError } from "./errors.js";
import { asArray, asBuffer, asText } from "./reply.js";
import { type NodeView, readView, SlotSet } from "./slot-set.js";
import { slotOf } from "./slots.js";
import type { Store } from "./store.js";

/**
 * A scan of a cluster is a row of scans of its primaries. A slot is done when one primary held it, and was not handing it to another, at every step of its scan from the
 * first to the last. A slot that began to leave meanwhile has its keys either seen here or at the node that it goes to: that one is scanned for it afterwards. A slot
 * whose node was replaced is begun anew, for the order of a scan is each node's own.
 */
export interface ClusterPlace {
  /** Scans of single nodes that were begun before. */
  nth: number;
  /** The beginning of the node's name, "" = to be chosen. */
  node: string;
  /** The node's own cursor. */
  cursor: string;
  /** Slots that this scan is for. */
  covering: SlotSet;
  /** Of those, the ones that have begun to leave. */
  leaving: SlotSet;
  /** Slots that no scan is for yet. */
  todo: SlotSet;
  /** Slots that were scanned where they came from. */
  followed: SlotSet;
}

export interface ClusterStep {
  at: ClusterPlace;
  next: ClusterPlace | undefined;
  keys: Buffer[];
}

const NAME_LENGTH = 12;
const FORM = /^c(\d{1,6})\.([0-9a-f]{0,40})\.(\d{1,20})\.([\d_-]*)\.([\d_-]*)\.([\d_-]*)\.([\d_-]*)$/;

export const clusterStart = (): ClusterPlace => ({
  nth: 0,
  node: "",
  cursor: "0",
  covering: new SlotSet(),
  leaving: new SlotSet(),
  todo: SlotSet.all(),
  followed: new SlotSet(),
});

/** Undefined for what is no cursor of a cluster's scan. */
export function readPlace(text: string): ClusterPlace | undefined {
  const [, nth, node, cursor, ...sets] = FORM.exec(text) ?? [];
  if (nth === undefined || node === undefined || cursor === undefined) return undefined;
  const [covering, leaving, todo, followed] = sets.map((set) => SlotSet.parse(set));
  if (!covering || !leaving || !todo || !followed) return undefined;
  return { nth: Number(nth), node, cursor, covering, leaving, todo, followed };
}

export function placeText({ nth, node, cursor, covering, leaving, todo, followed }: ClusterPlace): string {
  return `c${nth}.${node}.${cursor}.${covering}.${leaving}.${todo}.${followed}`;
}

export class ClusterScan {
  readonly #store: Store;
  readonly #rest: readonly (string | Buffer | number)[];
  #nodes = new Map<string, Node>();

  /** @param rest what follows the cursor in SCAN */
  constructor(store: Store, rest: readonly (string | Buffer | number)[]) {
    this.#store = store;
    this.#rest = rest;
  }

  /** @param count keys that the node should look at */
  async step(from: ClusterPlace, count: number): Promise<ClusterStep> {
    for (let place = from; ; ) {
      const node = await this.#nodeOf(place.node);
      if (!node) {
        place = await this.#choose(begunAnew(place));
        continue;
      }
      const [step, text] = await node.pipelineRaw([
        ["SCAN", place.cursor, ...this.#rest, "COUNT", count],
        ["CLUSTER", "NODES"],
      ]);
      for (const reply of [step, text]) if (reply instanceof Error) throw mapError(reply, node.target);
      const view = readView(asText(text));
      if (!view.primary) {
        this.#nodes.clear();
        place = begunAnew(place);
        continue;
      }
      const [cursor, keys] = asArray(step);
      const seen = asArray(keys)
        .map(asBuffer)
        .filter((key) => place.covering.has(slotOf(key)));
      return { at: place, next: nextOf(place, view, asText(cursor)), keys: seen };
    }
  }

  async #nodeOf(name: string): Promise<Node | undefined> {
    if (name === "") return undefined;
    if (this.#nodes.size === 0) await this.#findNodes();
    return this.#nodes.get(name);
  }

  async #findNodes(): Promise<void> {
    const primaries = await this.#store.connection.primaries();
    this.#nodes = new Map(primaries.map(({ id, node }) => [id.slice(0, NAME_LENGTH), node]));
  }

  /** The next node, with all the slots that a scan of it can do. */
  async #choose(place: ClusterPlace): Promise<ClusterPlace> {
    await this.#findNodes();
    for (const [name, node] of this.#nodes) {
      const view = await viewOf(node);
      if (!view.primary) continue;
      const covering = new SlotSet();
      for (const slot of place.todo) {
        const held = view.owned.has(slot);
        const isFollowed = place.followed.has(slot);
        if (isFollowed ? view.coming.has(slot) || (held && !view.leaving.has(slot)) : held) covering.add(slot);
      }
      if (covering.size === 0) continue;
      const todo = new SlotSet(place.todo);
      for (const slot of covering) todo.delete(slot);
      return { ...place, node: name, cursor: "0", covering, leaving: new SlotSet(), todo };
    }
    throw new CacheError(
      "connection",
      "store-unreachable",
      `${this.#store.connection.target}: no node holds a part of the slots`,
      { hint: "Try again when the cluster has recovered." },
    );
  }
}

/** What the scan of a node was for goes back to what is to be done. */
function begunAnew(place: ClusterPlace): ClusterPlace {
  if (place.covering.size === 0) return place;
  const todo = new SlotSet(place.todo);
  for (const slot of place.covering) todo.add(slot);
  const empty = new SlotSet();
  return { ...place, nth: place.nth + 1, node: "", cursor: "0", covering: empty, leaving: empty, todo };
}

function nextOf(place: ClusterPlace, view: NodeView, cursor: string): ClusterPlace | undefined {
  const leaving = new SlotSet(place.leaving);
  for (const slot of place.covering) {
    const stays = view.owned.has(slot) && !view.leaving.has(slot);
    const comes = place.followed.has(slot) && view.coming.has(slot);
    if (!stays && !comes) leaving.add(slot);
  }
  if (cursor !== "0") return { ...place, cursor, leaving };
  const todo = new SlotSet(place.todo);
  const followed = new SlotSet(place.followed);
  for (const slot of place.covering) followed.delete(slot);
  for (const slot of leaving) {
    todo.add(slot);
    followed.add(slot);
  }
  if (todo.size === 0) return undefined;
  const empty = new SlotSet();
  return { nth: place.nth + 1, node: "", cursor: "0", covering: empty, leaving: empty, todo, followed };
}

async function viewOf(node: Node): Promise<NodeView> {
  return readView(asText(await node.call(["CLUSTER", "NODES"])));
}
