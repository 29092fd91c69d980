import type { DeleteReport } from "../backend.js";
import { lettersBySlot, type Touching } from "./by-slot.js";
import type { Progress } from "./deletion-progress.js";
import { digestsOf } from "./facts.js";
import { pack } from "./pack.js";
import { count, forget, fullOf, unlink, untagged } from "./remove-keys.js";
import { asArray, asBuffer, asOptionalBuffer } from "./reply.js";
import { PURGE } from "./scripts.js";
import { memberKey, readMember, readSidecar } from "./sidecar.js";
import { type Candidate, purgedIndex, tagIndex } from "./source.js";
import { baseOf, type Store } from "./store.js";
import { aroundIndexes } from "./tag-index.js";

/** Whole tags: the index is set aside first, so that what is tagged from now on stays. One that was set aside and not finished comes first. */
export async function purgeTags(store: Store, tags: readonly string[], progress: Progress): Promise<DeleteReport> {
  const again = "t0.0";
  for (const tag of tags) {
    const aside = purgedIndex(store, tag);
    for (let renamed = false; ; ) {
      if (!(await drain(store, aside, progress))) return progress.report(again);
      if (renamed) break;
      const [reply] = await store.connection.pipelineRaw([["RENAMENX", tagIndex(store, tag), aside]]);
      if (reply instanceof Error) {
        if (/no such key/.test(reply.message)) break;
        await store.connection.pipeline([["RENAMENX", tagIndex(store, tag), aside]]);
      }
      // 0: another purge has just set its own aside; that one is finished first.
      renamed = reply === 1;
    }
  }
  return progress.report(undefined);
}

/** Deletes what an index that was set aside still names. @returns false if it was stopped */
async function drain(store: Store, index: string, progress: Progress): Promise<boolean> {
  const ask = (from: number) => membersFrom(store, index, from, Math.min(200, progress.step));
  let { members, candidates } = await ask(0);
  while (members > 0) {
    if (progress.stopped) return false;
    // Asked for before these are gone: they are read here while the server deletes. Any that are missed so, or come twice, change nothing.
    const following = ask(members);
    following.catch(() => {});
    await progress.advance(await purge(store, candidates, index));
    const next = await following;
    ({ members, candidates } = next.members > 0 ? next : await ask(0));
  }
  return true;
}

async function membersFrom(store: Store, index: string, from: number, limit: number) {
  const members = asArray(await store.connection.call(["ZRANGE", index, from, from + limit - 1]));
  const candidates = members.map((reply): Candidate => {
    const { id, key } = readMember(asBuffer(reply));
    return { key, id, full: store.names.full(key) };
  });
  return { members: members.length, candidates };
}

/** Deletes those that are still the write that was tagged, and takes all of them out of `index`. */
export async function purge(store: Store, candidates: readonly Candidate[], index = ""): Promise<number> {
  const { connection, names } = store;
  const touching: Touching<Candidate> = {
    fullOf,
    sidecarOf: ({ key }) => names.sidecar(key),
    argsOf: (some) => [
      pack(some.flatMap(({ key, full, id }) => [full, memberKey(key), names.sidecar(key), id ?? ""])),
      baseOf(store),
      connection.clustered ? "" : index,
    ],
  };
  const purged = await aroundIndexes(store, candidates, untagged, "1", () =>
    lettersBySlot(store, PURGE, candidates, touching),
  );
  if (purged !== undefined) {
    if (connection.clustered && index !== "") await forgetPlaces(store, index, candidates);
    return count(purged, "1");
  }
  const texts = asArray(await connection.call(["MGET", ...candidates.map(({ key }) => names.sidecar(key))]));
  const digests = await digestsOf(
    store,
    candidates.map(({ full }) => full),
  );
  const sidecars = texts.map((text) => readSidecar(asOptionalBuffer(text)));
  const same = candidates.filter(({ id }, i) => sidecars[i]?.i === id);
  const intact = candidates.filter(({ id }, i) => sidecars[i]?.i === id && sidecars[i]?.d === digests[i]);
  const deleted = await unlink(store, intact);
  await forget(store, same);
  if (index !== "") await forgetPlaces(store, index, candidates);
  return deleted;
}

async function forgetPlaces(store: Store, index: string, candidates: readonly Candidate[]): Promise<void> {
  const gone = candidates.map(({ key, id }) => Buffer.concat([Buffer.from(`${id}:`), Buffer.from(memberKey(key))]));
  await store.connection.call(["ZREM", index, ...gone]);
}
