import { SLOTS } from "./slots.js";

/** Some of a cluster's slots. */
export class SlotSet {
  readonly #has: Uint8Array;
  #size = 0;

  constructor(slots: Iterable<number> = []) {
    this.#has = new Uint8Array(SLOTS);
    for (const slot of slots) this.add(slot);
  }

  static all(): SlotSet {
    return new SlotSet(Array.from({ length: SLOTS }, (_, slot) => slot));
  }

  get size(): number {
    return this.#size;
  }

  has(slot: number): boolean {
    return this.#has[slot] === 1;
  }

  add(slot: number): void {
    if (slot < 0 || slot >= SLOTS || this.has(slot)) return;
    this.#has[slot] = 1;
    this.#size += 1;
  }

  delete(slot: number): void {
    if (!this.has(slot)) return;
    this.#has[slot] = 0;
    this.#size -= 1;
  }

  *[Symbol.iterator](): Generator<number> {
    if (this.#size === 0) return;
    for (let slot = 0; slot < SLOTS; slot++) if (this.#has[slot] === 1) yield slot;
  }

  /** `0-99_200`, "" for none. */
  toString(): string {
    const ranges: string[] = [];
    let from = -1;
    for (let slot = 0; slot <= SLOTS; slot++) {
      const inside = slot < SLOTS && this.#has[slot] === 1;
      if (inside && from < 0) from = slot;
      if (inside || from < 0) continue;
      ranges.push(from === slot - 1 ? `${from}` : `${from}-${slot - 1}`);
      from = -1;
    }
    return ranges.join("_");
  }

  /** What {@link toString} has written; slots that there can't be are left out. */
  static parse(text: string): SlotSet {
    const set = new SlotSet();
    for (const range of text.split("_").slice(0, SLOTS)) {
      const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? [];
      if (first === undefined) continue;
      for (let slot = Number(first); slot <= Math.min(Number(last), SLOTS - 1); slot++) set.add(slot);
    }
    return set;
  }
}

/** What a node of a cluster says of itself. */
export interface NodeView {
  /** It holds slots of its own right: no replica. */
  primary: boolean;
  owned: SlotSet;
  /** Those of its own that it is handing to another node. */
  leaving: SlotSet;
  /** Those of another node that are being handed to it. */
  coming: SlotSet;
}

/** The line about itself in a node's reply to CLUSTER NODES (https://redis.io/docs/latest/commands/cluster-nodes/). */
export function readView(text: string): NodeView {
  const view: NodeView = { primary: false, owned: new SlotSet(), leaving: new SlotSet(), coming: new SlotSet() };
  const line = text.split("\n").find((one) => one.split(" ", 3)[2]?.split(",").includes("myself"));
  const [, , flags = "", , , , , , ...slots] = line?.trim().split(" ") ?? [];
  view.primary = flags.split(",").includes("master");
  for (const part of slots) {
    const [, slot, way] = /^\[(\d+)-([<>])-/.exec(part) ?? [];
    if (slot !== undefined) (way === ">" ? view.leaving : view.coming).add(Number(slot));
    else for (const one of SlotSet.parse(part)) view.owned.add(one);
  }
  return view;
}
