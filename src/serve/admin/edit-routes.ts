import type { FastifyInstance } from "fastify";
import { patchAnswer, patchBody, patchQuery } from "../../api/listing.js";
import type { EntryReader } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import { parseTtl } from "../../units.js";
import { documented } from "./documented.js";
import { keyOf } from "./key-of.js";
import { Refusal } from "./refusal.js";

/** `PATCH /cache/entry`: deadlines and tags of an entry whose value, and whatever is kept beside it, stays as it is. */
export function editRoutes(app: FastifyInstance, { cache }: { cache: Cache }): void {
  documented(
    app,
    ["PATCH", "/cache/entry"],
    {
      role: "operator",
      summary: "Another deadline, other tags, or stale from now on; the value stays.",
      query: patchQuery,
      body: patchBody,
      answers: { 200: patchAnswer, 202: patchAnswer },
    },
    async ({ body: { ttl, tags, stale, ifVersion } }, reply, request) => {
      const key = keyOf(request);
      const ms = ttl === undefined ? undefined : parseTtl(ttl);
      const seen = await versionOf(cache, key, ifVersion);
      if (stale && !seen.hasStaleWindow) {
        throw new Refusal(409, "no-stale-window", "the entry has no stale window", "Delete it instead.");
      }
      if (tags) await rewrite(cache, key, { tags, ms, ifVersion });
      else if (ms !== undefined) {
        const expiresAt = ms === null ? null : cache.clock.now() + ms;
        const [touched] = await cache.touchEach([{ key, expiresAt, ...(seen.version && { ifVersion: seen.version }) }]);
        if (!touched) throw changed();
      }
      const pending = stale && (await cache.invalidate({ keys: [key] }, { soft: true })).pending;
      return reply.code(pending ? 202 : 200).send({ key, changed: true, ...(pending && { pending }) });
    },
  );
}

interface Seen {
  version: string | undefined;
  hasStaleWindow: boolean;
}

/**
 * What an entry is before it is changed.
 * @param expected the version that it has to have; undefined: any
 * @throws Refusal 404, 412
 */
export async function versionOf(cache: Cache, key: string, expected: string | undefined): Promise<Seen> {
  const reader = await opened(cache, key, expected);
  reader.close();
  const { version, staleAt } = reader.head;
  return { version, hasStaleWindow: staleAt !== undefined };
}

async function opened(cache: Cache, key: string, expected: string | undefined): Promise<EntryReader> {
  const reader = await cache.openRead(key, { want: "all", peek: true });
  if (reader === undefined) throw new Refusal(404, "no-such-entry", "there is no entry with this key");
  if (expected === undefined || reader.head.version === expected) return reader;
  reader.close();
  throw changed();
}

/** Tags can't be changed where they are: the value is copied onto itself, unless somebody changes the entry meanwhile. */
async function rewrite(
  cache: Cache,
  key: string,
  { tags, ms, ifVersion }: { tags: string[]; ms: number | null | undefined; ifVersion: string | undefined },
): Promise<void> {
  const since = await cache.position();
  const reader = await opened(cache, key, ifVersion);
  try {
    const { expiresAt = null, staleAt, meta } = reader.head;
    const deadline = ms === undefined ? { expiresAt } : { ttl: ms };
    const kept = { ...(staleAt !== undefined && { staleAt }), ...(meta && { meta }) };
    const writer = await cache.openWrite(key, { tags, ...deadline, ...kept, since, mode: "if-present" });
    try {
      for await (const piece of reader.body) await writer.write(piece);
      if ((await writer.commit()) !== "stored") throw changed();
    } finally {
      await writer.abort();
    }
  } finally {
    reader.close();
  }
}

/** Somebody else was quicker. */
export function changed(): Refusal {
  return new Refusal(412, "entry-changed", "the entry is no longer the one that was looked at", "Look at it again.");
}
