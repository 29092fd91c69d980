import type { Place } from "./address.js";
import type { Command } from "./connection.js";
import { isSlotMoving } from "./errors.js";
import type { RawKey } from "./names.js";
import { asArray, asInteger } from "./reply.js";
import { slotOf } from "./slots.js";

/** Commands that name keys and nothing else: they may be cut into several, whose replies are strung together or added up. */
const MANY: Readonly<Record<string, "list" | "sum">> = { MGET: "list", EXISTS: "sum", UNLINK: "sum", DEL: "sum" };

/** Commands about a server, which any node may answer. */
const KEYLESS: ReadonlySet<string> = new Set(["PING", "INFO", "TIME", "DBSIZE", "SCAN", "CLUSTER", "ROLE"]);

/** What one node is asked for one command, or for some of its keys. */
export class Part {
  readonly command: Command;
  /** Undefined where any node will do. */
  readonly slot: number | undefined;
  /** Numbers of the keys among those of the command that it was cut from. */
  readonly places: readonly number[];
  /** Smaller parts that have taken its place. */
  divided: readonly Part[] = [];
  reply: unknown;
  redirections = 0;
  /** The node that the slot is being moved to has this key already. */
  asking?: Place;

  constructor(command: Command, slot: number | undefined, places: readonly number[] = []) {
    this.command = command;
    this.slot = slot;
    this.places = places;
  }

  /** A part for each key, where it is the moving of the slot that holds up all of them together; else itself. */
  divide(): readonly Part[] {
    if (this.places.length < 2 || !isSlotMoving(this.reply)) return [this];
    const [name, ...keys] = this.command;
    this.divided = keys.map((key, i) => new Part([name, key], this.slot, [this.places[i] ?? 0]));
    return this.divided;
  }

  get leaves(): readonly Part[] {
    return this.divided.length === 0 ? [this] : this.divided;
  }
}

/** The commands as parts that each concern one slot; those of one command stand together. */
export function partsOf(commands: readonly Command[]): Part[][] {
  return commands.map((command) => {
    const [name, ...keys] = command;
    if (MANY[name] === undefined || keys.length < 2) {
      const key = keyOf(command);
      return [new Part(command, key === undefined ? undefined : slotOf(key))];
    }
    const bySlot = new Map<number, number[]>();
    for (const [i, key] of keys.entries()) {
      const slot = slotOf(asKey(key));
      const others = bySlot.get(slot);
      if (others) others.push(i);
      else bySlot.set(slot, [i]);
    }
    return [...bySlot].map(([slot, places]) => new Part([name, ...places.map((i) => keys[i] ?? "")], slot, places));
  });
}

/** The reply of a command from those of its parts; the first error, if there is one. */
export function joined([name]: Command, parts: readonly Part[]): unknown {
  const leaves = parts.flatMap((part) => part.leaves);
  const [first] = leaves;
  if (first?.places.length === 0) return first.reply;
  const failed = leaves.find(({ reply }) => reply instanceof Error);
  if (failed) return failed.reply;
  if (MANY[name] === "sum") return leaves.reduce((sum, { reply }) => sum + asInteger(reply), 0);
  const list: unknown[] = [];
  for (const { places, reply } of leaves) {
    const items = asArray(reply);
    for (const [i, place] of places.entries()) list[place] = items[i];
  }
  return list;
}

/** The key that leads a command to its node; undefined where it has none. */
function keyOf([name, ...args]: Command): RawKey | undefined {
  if (KEYLESS.has(name)) return undefined;
  if (name === "EVALSHA" || name === "EVAL") return args[1] === 0 ? undefined : asKey(args[2] ?? "");
  if (name === "OBJECT") return asKey(args[1] ?? "");
  if (name === "XREAD") return asKey(args[args.indexOf("STREAMS") + 1] ?? "");
  return asKey(args[0] ?? "");
}

const asKey = (arg: string | Buffer | number): RawKey => (typeof arg === "number" ? `${arg}` : arg);
