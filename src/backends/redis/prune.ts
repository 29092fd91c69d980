import { pack } from "./pack.js";
import { asArray, asBuffer, asText, pairs } from "./reply.js";
import { BASE, INDEXING } from "./script-parts.js";
import { define } from "./scripts.js";
import { purgedIndex, SCAN_COUNT, tagIndex } from "./source.js";
import { hasTags, type Store } from "./store.js";

/** [index]; the number of places of expired entries that it has lost. One step looks and takes out, so that a deadline that is put off meanwhile keeps its place. */
const SWEEP = define(`
${BASE}
${INDEXING}
local z=cmsgpack.unpack(ARGV[1])[1]
local dead=call('ZRANGEBYSCORE',z,'-inf',num(now),'LIMIT',0,${SCAN_COUNT})
if #dead>0 then call('ZREM',z,unpack(dead)) end
return #dead
`);

/**
 * Takes the places of expired entries out of the tag indexes. Entries themselves are removed by the server, so none is counted here. Times are
 * those of the server that an index lies on, as the scores are.
 */
export async function pruneTags(store: Store): Promise<number> {
  const { connection, names } = store;
  connection.checkOpen();
  if (!(await hasTags(store))) return 0;
  let cursor = "0";
  do {
    const [next, page] = asArray(await connection.call(["ZSCAN", names.registry, cursor, "COUNT", SCAN_COUNT]));
    cursor = asText(next);
    for (const [tag] of pairs(asArray(page))) {
      const text = asBuffer(tag).toString();
      for (const index of [tagIndex(store, text), purgedIndex(store, text)]) await sweep(store, index);
    }
  } while (cursor !== "0");
  await sweep(store, names.registry);
  return 0;
}

/** In steps, for an index can hold millions. Who may run no scripts has no tags of his own, and leaves those of others alone. */
async function sweep(store: Store, index: string): Promise<void> {
  let swept: unknown;
  do swept = await store.scripts.run(SWEEP, index, pack([index]), "");
  while (swept === SCAN_COUNT);
}
