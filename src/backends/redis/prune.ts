import { asArray, asBuffer, asText, pairs } from "./reply.js";
import { purgedIndex, SCAN_COUNT, tagIndex } from "./source.js";
import { hasTags, type Store } from "./store.js";

/**
 * Takes the places of expired entries out of the tag indexes. Entries themselves are removed by the server, so none is counted here. Times are
 * the server's own, as the scores are.
 */
export async function pruneTags(store: Store): Promise<number> {
  const { connection, names } = store;
  connection.checkOpen();
  if (!(await hasTags(store))) return 0;
  const [seconds, micros] = asArray(await connection.call(["TIME"])).map((part) => Number(asText(part)));
  const now = `${(seconds ?? 0) * 1000 + Math.floor((micros ?? 0) / 1000)}`;
  let cursor = "0";
  do {
    const [next, page] = asArray(await connection.call(["ZSCAN", names.registry, cursor, "COUNT", SCAN_COUNT]));
    cursor = asText(next);
    for (const [tag] of pairs(asArray(page))) {
      const text = asBuffer(tag).toString();
      for (const index of [tagIndex(store, text), purgedIndex(store, text)]) await removeUpTo(store, index, now);
    }
  } while (cursor !== "0");
  await removeUpTo(store, names.registry, now);
  return 0;
}

/** In steps, for an index can hold millions. */
async function removeUpTo(store: Store, index: string, score: string): Promise<void> {
  for (;;) {
    const dead = asArray(
      await store.connection.call(["ZRANGEBYSCORE", index, "-inf", score, "LIMIT", 0, SCAN_COUNT]),
    ).map(asBuffer);
    if (dead.length > 0) await store.connection.call(["ZREM", index, ...dead]);
    if (dead.length < SCAN_COUNT) return;
  }
}
