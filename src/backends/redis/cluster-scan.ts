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
        place = await this.#choose(place.node === "" ? place : begunAnew(place));
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

  /** The next node, with all the slots that a scan of it can do. @throws CacheError where no node has any of them */
  async #choose(place: ClusterPlace): Promise<ClusterPlace> {
    if (this.#nodes.size > 0) {
      const known = await this.#chooseAmong(place);
      if (known) return known;
    }
    await this.#findNodes();
    const found = await this.#chooseAmong(place);
    if (found) return found;
    throw new CacheError(
      "connection",
      "store-unreachable",
      `${this.#store.connection.target}: no node holds a part of the slots`,
      { hint: "Try again when the cluster has recovered." },
    );
  }

  async #chooseAmong(place: ClusterPlace): Promise<ClusterPlace | undefined> {
    const { todo, followed } = place;
    for (const [name, node] of this.#nodes) {
      const view = readView(asText(await node.call(["CLUSTER", "NODES"])));
      if (!view.primary) continue;
      const afresh = todo.minus(followed).and(view.owned);
      const covering = todo
        .and(followed)
        .and(view.coming.plus(view.owned.minus(view.leaving)))
        .plus(afresh);
      if (covering.isEmpty) continue;
      return { ...place, node: name, cursor: "0", covering, leaving: new SlotSet(), todo: todo.minus(covering) };
    }
    return undefined;
  }
}

/** What the scan of a node was for goes back to what is to be done. */
function begunAnew(place: ClusterPlace): ClusterPlace {
  return { ...place, ...NOWHERE, nth: place.nth + 1, todo: place.todo.plus(place.covering) };
}

function nextOf(place: ClusterPlace, view: NodeView, cursor: string): ClusterPlace | undefined {
  const { nth, covering, followed } = place;
  const here = view.owned.minus(view.leaving).plus(view.coming.and(followed));
  const leaving = place.leaving.plus(covering.minus(here));
  if (cursor !== "0") return { ...place, cursor, leaving };
  const todo = place.todo.plus(leaving);
  if (todo.isEmpty) return undefined;
  return { ...NOWHERE, nth: nth + 1, todo, followed: followed.minus(covering).plus(leaving) };
}

const NOWHERE = { node: "", cursor: "0", covering: new SlotSet(), leaving: new SlotSet() };
