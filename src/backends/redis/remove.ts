import { checkSelector, compileFilter, filterOf, type Selector } from "../../selector.js";
import type { DeleteOptions, DeleteReport, KeyDeletion } from "../backend.js";
import { STALE_AT_OFFSET } from "../envelope.js";
import { lettersBySlot, type Touching } from "./by-slot.js";
import type { Command } from "./connection.js";
import { digestsOf, type Known } from "./facts.js";
import type { Log } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import { marksOf } from "./marks.js";
import { pack } from "./pack.js";
import { asArray, asBuffer, asInteger, asOptionalBuffer, asText } from "./reply.js";
import { inspector, typesIn } from "./scan.js";
import { PURGE, REMOVE, SOFTEN, scriptsNeeded } from "./scripts.js";
import { memberKey, readMember, readSidecar } from "./sidecar.js";
import {
  badCursor,
  type Candidate,
  purgedIndex,
  SCAN_COUNT,
  SOURCE_CURSOR,
  type SourcePage,
  sourceOf,
  tagIndex,
} from "./source.js";
import { baseOf, checkSignal, chunks, type Store, untilAborted, wrongType } from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";

/** Entries of one UNLINK: together with a SCAN step some 1 ms of the server's time. */
const KEYS_PER_UNLINK = SCAN_COUNT;

/** Deletes strings alone. @throws CacheError `wrong-type` with its key, when the others have been deleted */
export async function deleteMany(
  store: Store,
  log: Log,
  keys: readonly string[],
  options: KeyDeletion,
): Promise<boolean[]> {
  store.connection.checkOpen();
  if (keys.length === 0) return [];
  const note = (some: readonly string[]) => log.note("delete", { keys: some }, options.origin);
  const stepwise = store.connection.clustered || !store.scripts.allowed;
  if (stepwise) return log.around(note(keys), () => deleteAll(store, log, keys, options));
  return deleteAll(store, log, keys, options, note);
}

/** @param noteOf the change of some keys, where it is told with each step */
async function deleteAll(
  store: Store,
  log: Log,
  keys: readonly string[],
  options: KeyDeletion,
  noteOf?: (keys: readonly string[]) => Note,
): Promise<boolean[]> {
  const { versions, signal } = options;
  const out: boolean[] = [];
  let foreign: string | undefined;
  for (const chunk of chunks([...keys.entries()], KEYS_PER_UNLINK)) {
    checkSignal(signal);
    const candidates = chunk.map(([i, key]): Candidate => {
      const version = versions?.[i];
      return { key, full: store.names.full(key), ...(version !== undefined && { version }) };
    });
    const note = noteOf?.(candidates.map(({ key }) => key));
    const remove = async () => (await removeByScript(store, candidates, note)) ?? singly();
    const singly = () => {
      const work = () => removeSingly(store, candidates);
      return note ? log.around(note, work) : work();
    };
    const answer = await untilAborted(remove(), signal);
    for (const [i, [, key]] of chunk.entries()) {
      out.push(answer[i] === "1");
      if (answer[i] === "t") foreign ??= key;
    }
  }
  if (foreign !== undefined) throw wrongType(store, foreign);
  return out;
}

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

/** Pace, end and account of one deletion. */
class Progress {
  readonly #store: Store;
  readonly #options: DeleteOptions;
  readonly #start: number;
  deleted = 0;
  softened = 0;

  constructor(store: Store, options: DeleteOptions) {
    this.#store = store;
    this.#options = options;
    this.#start = store.clock.monotonic();
  }

  get stopped(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  /** Entries of the next step: at a given rate, a tenth of a second's. */
  get step(): number {
    const { rate } = this.#options;
    return rate === undefined ? KEYS_PER_UNLINK : Math.max(1, Math.min(KEYS_PER_UNLINK, Math.floor(rate / 10)));
  }

  get left(): number {
    return (this.#options.limit ?? Number.POSITIVE_INFINITY) - this.deleted - this.softened;
  }

  async advance(deleted: number, softened = 0): Promise<void> {
    this.deleted += deleted;
    this.softened += softened;
    const done = this.deleted + this.softened;
    this.#options.onProgress?.(done);
    const { rate, signal } = this.#options;
    if (rate === undefined || rate <= 0) return;
    const ahead = (done / rate) * 1000 - (this.#store.clock.monotonic() - this.#start);
    if (ahead > 0) await this.#store.clock.sleep(ahead, signal);
  }

  /** @param cursor where to go on; undefined = all is done */
  report(cursor: string | undefined): DeleteReport {
    const { deleted, softened } = this;
    return { deleted, softened, complete: cursor === undefined, ...(cursor !== undefined && { cursor }) };
  }
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

/** Awaited later; until then a failure must not count as unhandled. */
function heldBack<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
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

async function unlink(store: Store, candidates: readonly Candidate[]): Promise<number> {
  if (candidates.length === 0) return 0;
  return asInteger(await store.connection.call(["UNLINK", ...candidates.map(({ full }) => full)]));
}

/** One letter a key, see {@link REMOVE}; undefined where this user may run no scripts. */
function removeByScript(
  store: Store,
  candidates: readonly Candidate[],
  note: Note = SILENT,
): Promise<string | undefined> {
  const { names } = store;
  const touching: Touching<Candidate> = {
    fullOf,
    sidecarOf: ({ key }) => names.sidecar(key),
    argsOf: (some, sidecarOf) => [
      pack(some.flatMap((one) => [one.full, memberKey(one.key), sidecarOf(one), one.version ?? ""])),
      baseOf(store),
      note.field,
      note.text,
    ],
  };
  return aroundIndexes(store, candidates, untagged, "1", () => lettersBySlot(store, REMOVE, candidates, touching));
}

/** The same by single commands: what is written between two of them may go as well. */
async function removeSingly(store: Store, candidates: readonly Candidate[]): Promise<string> {
  const { connection } = store;
  const keys = candidates.map(({ full }) => full);
  const types = await connection.pipeline(keys.map((full): Command => ["TYPE", full]));
  const marks = await marksOf(store, keys);
  const versioned = candidates.some(({ version }) => version !== undefined);
  const digests = versioned ? await digestsOf(store, keys) : [];
  const strings = candidates.filter(
    ({ version }, i) => asText(types[i]) === "string" && (version === undefined || version === digests[i]),
  );
  const deleted = await connection.pipeline(strings.map(({ full }): Command => ["UNLINK", full]));
  await forget(store, strings);
  const done = new Map<Candidate, string>(strings.map((candidate, i) => [candidate, `${asInteger(deleted[i])}`]));
  return candidates
    .map((candidate, i) => {
      if (marks[i] === "placeholder") return "0";
      return done.get(candidate) ?? (["none", "string"].includes(asText(types[i])) ? "0" : "t");
    })
    .join("");
}

/** Takes entries out of the indexes of their tags, by single commands. */
async function forget(store: Store, candidates: readonly Candidate[]): Promise<void> {
  const { connection, names } = store;
  if (candidates.length === 0) return;
  const texts = asArray(await connection.call(["MGET", ...candidates.map(({ key }) => names.sidecar(key))]));
  const commands = candidates.flatMap(({ key }, i): Command[] => {
    const sidecar = readSidecar(asOptionalBuffer(texts[i]));
    if (!sidecar) return [];
    const member = Buffer.concat([Buffer.from(`${sidecar.i}:`), Buffer.from(memberKey(key))]);
    const indexes = sidecar.t.flatMap((tag) => [tagIndex(store, tag), purgedIndex(store, tag)]);
    return [...indexes.map((index): Command => ["ZREM", index, member]), ["UNLINK", names.sidecar(key)]];
  });
  await connection.pipeline(commands);
}

/** Whole tags: the index is set aside first, so that what is tagged from now on stays. One that was set aside and not finished comes first. */
async function purgeTags(store: Store, tags: readonly string[], progress: Progress): Promise<DeleteReport> {
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
  for (;;) {
    if (progress.stopped) return false;
    const { members, candidates } = await firstMembers(store, index, Math.min(200, progress.step));
    if (members === 0) return true;
    await progress.advance(await purge(store, candidates, index));
  }
}

async function firstMembers(store: Store, index: string, limit: number) {
  const members = asArray(await store.connection.call(["ZRANGE", index, 0, limit - 1]));
  const candidates = members.map((reply): Candidate => {
    const { id, key } = readMember(asBuffer(reply));
    return { key, id, full: store.names.full(key) };
  });
  return { members: members.length, candidates };
}

/** Deletes those that are still the write that was tagged, and takes all of them out of `index`. */
async function purge(store: Store, candidates: readonly Candidate[], index = ""): Promise<number> {
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

const fullOf = ({ full }: Candidate) => full;

/** What is deleted will have no tags. */
const untagged = ({ key }: Candidate): Tagged => ({ key, sidecar: undefined, ttl: 0 });

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

function count(letters: string, letter: string): number {
  let n = 0;
  for (const one of letters) if (one === letter) n += 1;
  return n;
}
