import type { DeleteReport } from "../backend.js";
import { lettersBySlot, type Touching } from "./by-slot.js";
import type { Progress } from "./deletion-progress.js";
import { digestsOf } from "./facts.js";
import { pack } from "./pack.js";
import { count, forget, fullOf, unlink, untagged } from "./remove-keys.js";
import { asArray, asBuffer, asInteger, asOptionalBuffer } from "./reply.js";
import { PURGE, PURGE_INDEX } from "./scripts.js";
import { memberKey, readMember, readSidecar } from "./sidecar.js";
import { type Candidate, purgedIndex, tagIndex } from "./source.js";
import { baseOf, heldBack, type Store } from "./store.js";
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

/** Entries that one step looks at: some 2 ms. */
const STEP = 200;

/** Deletes what an index that was set aside still names. @returns false if it was stopped */
async function drain(store: Store, index: string, progress: Progress): Promise<boolean> {
  const { connection } = store;
  const isOver = connection.clustered ? undefined : await drainByScript(store, index, progress);
  if (isOver !== undefined) return isOver;
  for (;;) {
    if (progress.stopped) return false;
    const members = asArray(await connection.call(["ZRANGE", index, 0, Math.min(STEP, progress.step) - 1]));
    if (members.length === 0) return true;
    await progress.advance(await purgeMembers(store, index, members));
  }
}

/**
 * On one server a script reads the index by itself. The server has the next step before it has answered the last.
 * @returns undefined where this user may run no scripts
 */
async function drainByScript(store: Store, index: string, progress: Progress): Promise<boolean | undefined> {
  const step = async () => {
    const count = `${Math.min(STEP, progress.step)}`;
    const reply = await store.scripts.run(PURGE_INDEX, index, "", baseOf(store), index, count);
    if (reply === undefined) return undefined;
    const [looked, deleted, rest] = asArray(reply);
    if (asInteger(looked) === 0) return false;
    const others = asArray(rest);
    const more = others.length === 0 ? 0 : await purgeMembers(store, index, others);
    await progress.advance(asInteger(deleted) + more);
    return true;
  };
  if (progress.stopped) return false;
  let running = heldBack(step());
  for (;;) {
    const ahead = progress.isPaced ? undefined : heldBack(step());
    const goesOn = await running;
    if (!goesOn || progress.stopped) {
      await ahead;
      return goesOn === undefined ? undefined : !goesOn;
    }
    running = ahead ?? heldBack(step());
  }
}

/** The members leave the index as they were read, whatever somebody has put there: else they would be read for ever. */
async function purgeMembers(store: Store, index: string, members: readonly unknown[]): Promise<number> {
  const raw = members.map(asBuffer);
  const candidates = raw.map((member): Candidate => {
    const { id, key } = readMember(member);
    return { key, id, full: store.names.full(key) };
  });
  const deleted = await purge(store, candidates);
  await store.connection.call(["ZREM", index, ...raw]);
  return deleted;
}

/** Deletes those that are still the write that was tagged. */
export async function purge(store: Store, candidates: readonly Candidate[]): Promise<number> {
  const { connection, names } = store;
  const touching: Touching<Candidate> = {
    fullOf,
    sidecarOf: ({ key }) => names.sidecar(key),
    argsOf: (some) => [
      pack(some.flatMap(({ key, full, id }) => [full, memberKey(key), names.sidecar(key), id ?? ""])),
      baseOf(store),
    ],
  };
  const purged = await aroundIndexes(store, candidates, untagged, "1", () =>
    lettersBySlot(store, PURGE, candidates, touching),
  );
  if (purged !== undefined) return count(purged, "1");
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
  return deleted;
}
