import { SLOTS } from "./slots.js";

/** Some of a cluster's slots. Every operation is a loop over bytes: a scan of a small store is over in some milliseconds, and makes dozens of these. */
export class SlotSet {
  readonly #has = new Uint8Array(SLOTS);

  static all(): SlotSet {
    const set = new SlotSet();
    set.#has.fill(1);
    return set;
  }

  get isEmpty(): boolean {
    return !this.#has.includes(1);
  }

  has(slot: number): boolean {
    return this.#has[slot] === 1;
  }

  add(slot: number): void {
    if (slot < SLOTS) this.#has[slot] = 1;
  }

  plus(other: SlotSet): SlotSet {
    return this.#with(other, (a, b) => a | b);
  }

  minus(other: SlotSet): SlotSet {
    return this.#with(other, (a, b) => a & ~b);
  }

  and(other: SlotSet): SlotSet {
    return this.#with(other, (a, b) => a & b);
  }

  /** Four slots at a time. */
  #with(other: SlotSet, combine: (a: number, b: number) => number): SlotSet {
    const set = new SlotSet();
    const [a, b, out] = [this, other, set].map((one) => new Uint32Array(one.#has.buffer));
    if (a && b && out) for (let i = 0; i < out.length; i++) out[i] = combine(a[i] ?? 0, b[i] ?? 0);
    return set;
  }

  /** `0-99_200`, "" for none. */
  toString(): string {
    const ranges: string[] = [];
    for (let from = this.#has.indexOf(1); from >= 0; ) {
      const end = this.#has.indexOf(0, from);
      const last = (end < 0 ? SLOTS : end) - 1;
      ranges.push(from === last ? `${from}` : `${from}-${last}`);
      from = this.#has.indexOf(1, last + 1);
    }
    return ranges.join("_");
  }

  /** What {@link toString} has written; slots that there can't be are left out. */
  static parse(text: string): SlotSet {
    const set = new SlotSet();
    if (text === "") return set;
    for (const range of text.split("_").slice(0, SLOTS)) {
      const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? [];
      if (first !== undefined) set.#has.fill(1, Number(first), Number(last) + 1);
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
  const ranges: string[] = [];
  for (const part of slots) {
    const [, slot, way] = /^\[(\d+)-([<>])-/.exec(part) ?? [];
    if (slot !== undefined) (way === ">" ? view.leaving : view.coming).add(Number(slot));
    else ranges.push(part);
  }
  view.owned = SlotSet.parse(ranges.join("_"));
  return view;
}
