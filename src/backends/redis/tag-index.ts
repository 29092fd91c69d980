import type { Command } from "./connection.js";
import { pack } from "./pack.js";
import { asArray, asInteger, asOptionalBuffer } from "./reply.js";
import { BASE, INDEXING } from "./script-parts.js";
import { define, type ScriptCall, scriptsNeeded } from "./scripts.js";
import { memberKey, readSidecar, type Sidecar } from "./sidecar.js";
import { purgedIndex, tagIndex } from "./source.js";
import { hasTags, type Store } from "./store.js";

/*
 * The indexes of tags where they lie in other slots than the entries, so that no script can write both. An entry that is being tagged is put into the indexes first, then
 * written with its sidecar, then put into the indexes again, for a purge may have found it there before it was written, and taken it out. Places that lead nowhere
 * are passed over by every reader, and go when they expire or when their tag is purged.
 */

/** A place in the indexes of some tags. */
interface Tagging {
  key: string;
  sidecar: Sidecar;
}

/** [member, milliseconds or -1 = never]…; KEYS[1] is the index of a tag, or the registry, whose members never come to expire sooner. */
const INDEX = define(`
${BASE}
${INDEXING}
local z,a=KEYS[1],cmsgpack.unpack(ARGV[1])
for i=1,#a,2 do place(z,a[i],tonumber(a[i+1]),ARGV[3]=='1') end
tidy(z)
return 1
`);

/** An entry as it is about to be. */
export interface Tagged {
  key: string;
  /** Undefined: it will have no tags. `same`: those it has. */
  sidecar: Sidecar | "same" | undefined;
  /** Milliseconds that it will live at most, -1 = never. */
  ttl: number;
}

/**
 * Work on entries that answers with a letter for each, with the indexes of their tags kept around it. On one server the work keeps them itself.
 * @param done the letter of an entry that was changed
 */
export async function aroundIndexes<T>(
  store: Store,
  items: readonly T[],
  taggedOf: (item: T) => Tagged,
  done: string,
  work: () => Promise<string | undefined>,
): Promise<string | undefined> {
  if (!store.connection.clustered) return work();
  const list = items.map(taggedOf);
  const before = await sidecarsOf(store, list);
  const coming = list.map(({ sidecar }, i) => (sidecar === "same" ? before[i] : sidecar));
  await index(
    store,
    list.flatMap(({ key, ttl }, i) => taggingOf(key, coming[i]).map((tagging) => ({ ...tagging, ttl }))),
    true,
  );
  const letters = await work();
  if (letters === undefined) return undefined;
  // Of several writes of one key the last counts.
  const last = new Map(list.flatMap(({ key }, i) => (letters[i] === done ? [[key, i] as const] : [])));
  const stays = list.map(({ key }, i) => last.get(key) === i);
  const kept = list.flatMap(({ key }, i) => (stays[i] ? taggingOf(key, coming[i]) : []));
  const gone = list.flatMap(({ key, sidecar }, i) => {
    if (!stays[i]) return sidecar === "same" ? [] : taggingOf(key, coming[i]);
    return before[i]?.i === coming[i]?.i ? [] : taggingOf(key, before[i]);
  });
  await indexAgain(store, kept);
  await unindex(store, gone);
  return letters;
}

const taggingOf = (key: string, sidecar: Sidecar | undefined): Tagging[] => (sidecar ? [{ key, sidecar }] : []);

/** Rounds of {@link indexAgain}; who changes one deadline so often at once gets the longest that was seen. */
const ROUNDS = 5;

/**
 * With the deadlines that the entries have now; those that are gone already leave the indexes. A deadline that another client puts off meanwhile is followed, so that
 * no place ends before its entry does.
 */
async function indexAgain(store: Store, taggings: readonly Tagging[]): Promise<void> {
  let placed = await withTtls(store, taggings);
  for (let round = 0; placed.length > 0 && round < ROUNDS; round++) {
    await index(store, placed, false);
    const before = placed;
    const now = await withTtls(store, before);
    placed = now.filter(({ ttl }, i) => {
      const then = before[i]?.ttl ?? -1;
      return then >= 0 && (ttl === -1 || ttl > then);
    });
  }
}

/** Milliseconds to live, -1 = never; an entry that is gone is placed for an instant, and leaves its indexes by itself. */
async function withTtls<T extends Tagging>(store: Store, taggings: readonly T[]): Promise<(T & { ttl: number })[]> {
  const ttls = await store.connection.pipeline(taggings.map(({ key }): Command => ["PTTL", store.names.full(key)]));
  return taggings.map((tagging, i) => {
    const ttl = asInteger(ttls[i]);
    return { ...tagging, ttl: ttl === -2 ? 0 : ttl };
  });
}

/** @param longest no place comes to end sooner than it would */
async function index(store: Store, taggings: readonly (Tagging & { ttl: number })[], longest: boolean): Promise<void> {
  if (taggings.length === 0) return;
  const byTag = new Map<string, (string | Buffer)[]>();
  const tags = new Map<string, number>();
  for (const { key, sidecar, ttl } of taggings) {
    for (const tag of sidecar.t) {
      const members = byTag.get(tag) ?? [];
      members.push(member(sidecar.i, key), `${ttl}`);
      byTag.set(tag, members);
      const most = tags.get(tag) ?? 0;
      tags.set(tag, most < 0 || ttl < 0 ? -1 : Math.max(most, ttl));
    }
  }
  const call = (route: string, list: readonly (string | Buffer)[], keepsLongest: boolean): ScriptCall => ({
    route,
    args: [pack(list), "", keepsLongest ? "1" : ""],
  });
  const named = [...tags].flatMap(([tag, ttl]) => [tag, `${ttl}`]);
  // The registry first: where it is absent, nobody looks for tags.
  const calls = [call(store.names.registry, named, true)];
  for (const [tag, members] of byTag) calls.push(call(tagIndex(store, tag), members, longest));
  if (!(await store.scripts.runAll(INDEX, calls))) throw scriptsNeeded("writing tags");
}

/** Takes places out of the indexes of their tags, also of those that are being purged. */
async function unindex(store: Store, taggings: readonly Tagging[]): Promise<void> {
  const byIndex = new Map<string, Buffer[]>();
  for (const { key, sidecar } of taggings) {
    for (const tag of sidecar.t) {
      for (const name of [tagIndex(store, tag), purgedIndex(store, tag)]) {
        const members = byIndex.get(name) ?? [];
        members.push(member(sidecar.i, key));
        byIndex.set(name, members);
      }
    }
  }
  await store.connection.pipeline([...byIndex].map(([name, members]): Command => ["ZREM", name, ...members]));
}

/** The sidecars of some entries, none where the namespace has none. */
async function sidecarsOf(store: Store, items: readonly { key: string }[]): Promise<readonly (Sidecar | undefined)[]> {
  if (items.length === 0 || !(await hasTags(store))) return [];
  const texts = asArray(await store.connection.call(["MGET", ...items.map(({ key }) => store.names.sidecar(key))]));
  return texts.map((text) => readSidecar(asOptionalBuffer(text)));
}

function member(id: string, key: string): Buffer {
  return Buffer.concat([Buffer.from(`${id}:`), Buffer.from(memberKey(key))]);
}
