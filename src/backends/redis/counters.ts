import { CacheError } from "../../errors.js";
import { COUNTER_NAMES, type Counters } from "../backend.js";
import type { Command } from "./connection.js";
import { readInfo } from "./info.js";
import { asArray, asText, pairs } from "./reply.js";
import type { Store } from "./store.js";

/** Hashes over which the counters are spread, so that in a cluster no one node takes every process's counting. */
const SHARDS = 8;

/** What the server counts of it; on a cluster each primary for itself. */
const SERVER_COUNTERS = {
  keyspace_hits: "hits",
  keyspace_misses: "misses",
  expired_keys: "expirations",
  evicted_keys: "evictions",
} as const;

/** Sums of one namespace. Without a namespace nothing is written: the whole store is other people's. */
export class CounterStore {
  readonly #store: Store;
  readonly #shard: number;

  /** @param random a number from 0 to below 1 that chooses this process's shard */
  constructor(store: Store, random: number) {
    this.#store = store;
    this.#shard = Math.floor(random * SHARDS);
  }

  async count(deltas: Partial<Counters>): Promise<void> {
    const { connection, names } = this.#store;
    connection.checkOpen();
    if (names.namespace === "") return;
    const commands = COUNTER_NAMES.flatMap((name): Command[] => {
      const delta = deltas[name] ?? 0;
      return delta === 0 ? [] : [["HINCRBY", names.counters(this.#shard), name, delta]];
    });
    // Who has waited once for a server that says nothing does not wait again for the sake of counting.
    connection.checkAnswering();
    await connection.pipeline(commands);
  }

  async read(): Promise<{ counters: Partial<Counters>; source: "cache" | "server" }> {
    const { connection, names } = this.#store;
    connection.checkOpen();
    if (names.namespace === "") {
      const infos = await readInfo(connection, "stats");
      const counters: Partial<Counters> = {};
      for (const [field, name] of Object.entries(SERVER_COUNTERS)) {
        const values = infos.flatMap(({ fields }) => fields[field] ?? []);
        if (values.length > 0) counters[name] = values.reduce((sum, value) => sum + Number(value), 0);
      }
      return { counters, source: "server" };
    }
    const counters: Counters = { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
    const shards = Array.from({ length: SHARDS }, (_, shard): Command => ["HGETALL", names.counters(shard)]);
    for (const reply of await connection.pipeline(shards)) {
      for (const [field, value] of pairs(asArray(reply))) {
        const name = COUNTER_NAMES.find((known) => known === asText(field));
        if (name) counters[name] += Number(asText(value));
      }
    }
    return { counters, source: "cache" };
  }

  /** @throws CacheError `counters-not-ours` without a namespace: those are the server's */
  async reset(): Promise<void> {
    const { connection, names } = this.#store;
    connection.checkOpen();
    if (names.namespace === "") {
      throw new CacheError("usage", "counters-not-ours", "without a namespace the counters are the server's own", {
        hint: "Name a namespace, or let the server's owner run CONFIG RESETSTAT.",
      });
    }
    await connection.call(["UNLINK", ...Array.from({ length: SHARDS }, (_, shard) => names.counters(shard))]);
  }
}
