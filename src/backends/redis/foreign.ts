import { keyFromBytes } from "../../key.js";
import type { ForeignEntry } from "../backend.js";
import type { RawKey } from "./names.js";
import { asArray, asBuffer, asText, asType, pairs } from "./reply.js";
import type { Store } from "./store.js";

/**
 * The first items of a value that is no string, as text (bytes that are no UTF-8 are escaped as in keys): `[field, value]` of a hash, `[member, score]` of a sorted set,
 * `[id, [field, value]…]` of a stream, plain items of lists and sets. Sets and hashes come in the server's own order.
 * @param limit items at most, from 1
 */
export async function readForeign(store: Store, key: string, limit: number): Promise<ForeignEntry | undefined> {
  const { connection, names } = store;
  connection.checkOpen();
  const full = names.full(key);
  const type = asType(await connection.call(["TYPE", full]));
  if (type === "none" || type === "string") return undefined;
  const wanted = limit + 1;
  const items = await itemsOf(store, full, type, wanted);
  return { type, items: items.slice(0, limit), truncated: items.length > limit };
}

async function itemsOf(store: Store, full: RawKey, type: string, wanted: number): Promise<unknown[]> {
  const { connection } = store;
  switch (type) {
    case "list":
      return asArray(await connection.call(["LRANGE", full, 0, wanted - 1])).map(show);
    case "set":
      return (await scanned(store, "SSCAN", full, wanted)).map(show);
    case "hash":
      return pairs(await scanned(store, "HSCAN", full, wanted * 2)).map(([field, value]) => [show(field), show(value)]);
    case "zset":
      return pairs(await scanned(store, "ZSCAN", full, wanted * 2)).map(([member, score]) => [
        show(member),
        Number(asText(score)),
      ]);
    case "stream":
      return asArray(await connection.call(["XRANGE", full, "-", "+", "COUNT", wanted])).map((entry) => {
        const [id, fields] = asArray(entry);
        return [asText(id), ...pairs(asArray(fields)).map(([field, value]) => [show(field), show(value)])];
      });
    default:
      return [];
  }
}

/** Replies of HSCAN, SSCAN or ZSCAN until there are `wanted`; what the server repeats is told apart by its first part. */
async function scanned(store: Store, name: string, full: RawKey, wanted: number): Promise<unknown[]> {
  const width = name === "SSCAN" ? 1 : 2;
  const seen = new Set<string>();
  const out: unknown[] = [];
  let cursor = "0";
  do {
    const [next, page] = asArray(await store.connection.call([name, full, cursor, "COUNT", Math.min(wanted, 1000)]));
    cursor = asText(next);
    const items = asArray(page);
    for (let i = 0; i < items.length && out.length < wanted; i += width) {
      const id = asBuffer(items[i]).toString("latin1");
      if (seen.has(id)) continue;
      seen.add(id);
      out.push(...items.slice(i, i + width));
    }
  } while (cursor !== "0" && out.length < wanted);
  return out;
}

const show = (reply: unknown) => keyFromBytes(asBuffer(reply));
