import { checkSelector, compileFilter, filterOf, type Selector } from "../../selector.js";
import type { DeleteOptions, DeleteReport } from "../backend.js";
import { STALE_AT_OFFSET } from "../envelope.js";
import { lettersBySlot, type Touching } from "./by-slot.js";
import { Progress } from "./deletion-progress.js";
import type { Known } from "./facts.js";
import type { Log } from "./log.js";
import { pack } from "./pack.js";
import { purge, purgeTags } from "./purge.js";
import { count, removeByScript, removeSingly, unlink } from "./remove-keys.js";
import { inspector, typesIn } from "./scan.js";
import { SOFTEN, scriptsNeeded } from "./scripts.js";
import { badCursor, type Candidate, SOURCE_CURSOR, type SourcePage, sourceOf } from "./source.js";
import { baseOf, chunks, heldBack, type Store } from "./store.js";

/** Deletes what the selector holds, in steps that hold up nobody; see {@link DeleteOptions}. */
export async function deleteWhere(
  store: Store,
  log: Log,
  selector: Selector,
  options: DeleteOptions,
): Promise<DeleteReport> {
  store.connection.checkOpen();
  checkSelector(selector);
  const note = log.note(options.soft ? "soften" : "delete", selector, options.origin);
  return log.around(note, () => removeWhere(store, selector, options));
}

async function removeWhere(store: Store, selector: Selector, options: DeleteOptions): Promise<DeleteReport> {
  const progress = new Progress(store, options);
  if (!("keys" in selector)) {
    const filter = filterOf(selector);
    if (filter.expiry === "expired") return progress.report(undefined);
    const others = Object.keys(filter).some((name) => name !== "tags" && name !== "tagMode");
    const any = filter.tags && (filter.tagMode !== "all" || filter.tags.length === 1);
    if (filter.tags && any && !others && options.limit === undefined && !options.soft) {
      return purgeTags(store, [...new Set(filter.tags)], progress);
    }
  }
  return walk(store, selector, options, progress);
}

async function walk(
  store: Store,
  selector: Selector,
  options: DeleteOptions,
  progress: Progress,
): Promise<DeleteReport> {
  // Of a list of keys, too, only strings go unless other types are named.
  const types = selector.types === undefined ? ["string"] : typesIn(selector);
  const source = sourceOf(store, selector, types);
  const revokes = revoking(selector);
  const soft = options.soft ?? false;
  const inspect = inspector(store, selector, source.kind, soft, types);
  let at = options.cursor ?? source.start;
  if (!SOURCE_CURSOR.test(at)) badCursor(at);
  if (progress.stopped) return progress.report(at);
  // The server always has the next request before it has answered the last, unless each answer decides what may follow.
  const overlap = options.limit === undefined && options.rate === undefined;
  let reading = source.read(at);
  let removing = Promise.resolve();
  for (;;) {
    const page: SourcePage = await reading;
    at = page.at;
    const following = page.next;
    if (following !== undefined) reading = heldBack(source.read(following));
    const revoked = page.held.filter(revokes);
    if (revoked.length > 0 && !soft) await unlink(store, revoked);
    const found = await inspect(page.candidates, page.seenTags);
    const taken = found.slice(0, Math.max(0, progress.left));
    if (taken.length === 0) await progress.advance(0);
    for (const chunk of chunks(taken, progress.step)) {
      if (progress.stopped) {
        await removing;
        return progress.report(at);
      }
      const last = removing;
      removing = heldBack(removeChunk(store, chunk, page, soft, progress));
      await (overlap ? last : removing);
    }
    if (following !== undefined && taken.length === found.length && progress.left > 0 && !progress.stopped) continue;
    await removing;
    if (taken.length < found.length) return progress.report(at);
    return progress.report(following);
  }
}

/** A test whether a deletion takes the placeholder of an entry along, where it is not asked for what only an entry has. */
function revoking(selector: Selector): (candidate: Candidate) => boolean {
  if ("keys" in selector) return () => true;
  const { prefix, match, tags, minSize, expiry } = filterOf(selector);
  if (tags !== undefined || minSize !== undefined || expiry !== undefined) return () => false;
  return compileFilter({ ...(prefix !== undefined && { prefix }), ...(match !== undefined && { match }) }, () => 0);
}

async function removeChunk(
  store: Store,
  chunk: readonly Known[],
  page: SourcePage,
  soft: boolean,
  progress: Progress,
): Promise<void> {
  const windows = soft ? chunk.filter(({ info }) => info.staleAt !== undefined) : [];
  const softened = await soften(store, windows);
  const rest = windows.length === 0 ? chunk : chunk.filter(({ info }) => info.staleAt === undefined);
  await progress.advance(await removeKnown(store, rest, page), softened);
}

async function removeKnown(store: Store, list: readonly Known[], page: SourcePage): Promise<number> {
  if (list.length === 0) return 0;
  const candidates = list.map(({ candidate, id }): Candidate => (id === undefined ? candidate : { ...candidate, id }));
  if (page.byTag) return purge(store, candidates);
  const strings = candidates.filter((_, i) => list[i]?.type === "string");
  const others = candidates.filter((_, i) => list[i]?.type !== "string");
  return (await unlink(store, others)) + (await removeScanned(store, strings, page));
}

/**
 * Strings that a scan has named: sidecars are looked for only where there could be any when the step was read. One that is written in the moment
 * between is left behind without its entry, which no reader takes for anything, until its tag is purged.
 */
async function removeScanned(store: Store, candidates: readonly Candidate[], page: SourcePage): Promise<number> {
  if (candidates.length === 0) return 0;
  if (!page.pieces) {
    if (!page.tagged) return unlink(store, candidates);
    const sidecars = candidates.map(({ key }) => store.names.sidecar(key));
    if ((await store.connection.call(["EXISTS", ...sidecars])) === 0) return unlink(store, candidates);
  }
  const answer = (await removeByScript(store, candidates)) ?? (await removeSingly(store, candidates));
  return count(answer, "1");
}

/** Moves the soft deadline to now. @returns of how many; one that was written meanwhile is a fresh entry and stays as it is */
async function soften(store: Store, windows: readonly Known[]): Promise<number> {
  if (windows.length === 0) return 0;
  const now = store.clock.now();
  const touching: Touching<Known> = {
    fullOf: ({ candidate }) => candidate.full,
    sidecarOf: ({ candidate }) => store.names.sidecar(candidate.key),
    argsOf: (some, sidecarOf) => {
      const items = some.flatMap((known) => {
        const { candidate, header = Buffer.alloc(0), info } = known;
        const moved = Buffer.from(header);
        moved.writeDoubleBE(Math.min(now, info.staleAt ?? now), STALE_AT_OFFSET);
        return [candidate.full, sidecarOf(known), header, moved];
      });
      return [pack(items), baseOf(store)];
    },
  };
  const answer = await lettersBySlot(store, SOFTEN, windows, touching);
  if (answer === undefined) throw scriptsNeeded("marking entries as stale");
  return count(answer, "1");
}
