import type { FastifyInstance } from "fastify";
import { countAnswer, countBody } from "../../api/admin.js";
import type { Cache } from "../../cache/cache.js";
import { Distinct } from "../../cache/distinct.js";
import type { HttpCache } from "../../http/http-cache.js";
import { type PurgeRequest, purgesEverything } from "../../http/purge.js";
import { isEverything, type Selection, type Selector } from "../../selector.js";
import { documented } from "./documented.js";
import { goneSignal } from "./line-stream.js";

interface Parts {
  cache: Cache;
  http: HttpCache;
  namespace: string;
}

/** Keys that a count gives as an example of what it counted. */
const SAMPLE = 10;

/** `POST /cache/count`: what an invalidation or a purge would take, for who is asked whether it is meant. */
export function countRoute(app: FastifyInstance, { cache, http, namespace }: Parts): void {
  documented(
    app,
    ["POST", "/cache/count"],
    {
      role: "viewer",
      summary: "How many entries an invalidation or a purge would take, and some of them; nothing is changed.",
      body: countBody,
      answers: { 200: countAnswer },
    },
    async ({ body }, reply) => {
      const signal = goneSignal(reply);
      const counted =
        "purge" in body
          ? await countPurge(http, body.purge, signal)
          : await countKeys(keysOf(cache, body.selector, body.tier, signal), cache.backend.capabilities.repeatsInScan);
      const everything = "purge" in body ? purgesEverything(body.purge) : isEverything(body.selector);
      const target = namespace === "" ? await targetOf(cache) : namespace.replace(/:$/, "");
      return { ...counted, exact: counted.exact && !signal.aborted, target, everything };
    },
  );
}

interface Counted {
  count: number;
  exact: boolean;
  sample: string[];
}

/** Two requests of a purge, and two pages of a store, may name the same key. */
export async function countPurge(http: HttpCache, request: PurgeRequest, signal: AbortSignal): Promise<Counted> {
  return countKeys(http.purgeable(request, { signal }), true);
}

async function countKeys(pages: AsyncIterable<readonly string[]>, repeats: boolean): Promise<Counted> {
  const distinct = new Distinct(repeats);
  const sample: string[] = [];
  let count = 0;
  for await (const keys of pages) {
    for (const key of keys) {
      if (distinct.isRepeat(key)) continue;
      count += 1;
      if (sample.length < SAMPLE) sample.push(key);
    }
  }
  return { count, exact: distinct.exact, sample };
}

async function* keysOf(
  cache: Cache,
  selector: Selector,
  tier: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string[]> {
  // A deletion takes no other types of Redis than strings, unless it names them.
  const deletable = { ...selector, types: selector.types ?? ["string"] } as Selection;
  for await (const { entries } of cache.scan(deletable, { signal, ...(tier !== undefined && { tier }) })) {
    yield entries.map(({ key }) => key);
  }
}

/** Of several stores the one that decides. */
async function targetOf(cache: Cache): Promise<string> {
  const { target, tiers } = await cache.backend.describe();
  return tiers?.at(-1)?.target ?? target;
}
