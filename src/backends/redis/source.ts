import { CacheError } from "../../errors.js";
import { type Filter, filterOf, globPrefix, type Selector } from "../../selector.js";
import { ClusterScan, clusterStart, placeText, readPlace } from "./cluster-scan.js";
import type { Command } from "./connection.js";
import { mapError } from "./errors.js";
import { askForMarks, mayBeMarked, sortOut } from "./marks.js";
import { matchPattern } from "./match.js";
import { isInternal, type RawKey } from "./names.js";
import { asArray, asBuffer, asText, pairs } from "./reply.js";
import { digestOf, readMember } from "./sidecar.js";
import type { Store } from "./store.js";

/**
 * Keys that one SCAN looks at: some 0.25 ms of the server's time. Other clients wait for one step and the UNLINK of its keys; with twice as many their
 * p99 was 3.9 ms instead of 2.7, for 3% of the rate.
 */
export const SCAN_COUNT = 250;

const LITERAL_GLOB = /^(?:[^*?[\\]|\\.)+$/su;

/** A key that may be meant by a selector; what was tested already is said by the source. */
export interface Candidate {
  /** As at the backend's edge. */
  key: string;
  full: RawKey;
  /** Write id in the tag index that named it: stale if the sidecar has another. */
  id?: string;
  /** Only if it still has this version. */
  version?: string;
}

/** What one step of a source gave. `at` reads it again, `next` goes on. */
export interface SourcePage {
  at: string;
  next: string | undefined;
  candidates: Candidate[];
  /** Placeholders of entries that are being loaded, which nobody is to see. */
  held: Candidate[];
  /** Some of the candidates have pieces. */
  pieces: boolean;
  /** Tags whose entries an earlier step of the source has named already. */
  seenTags: readonly string[];
  /** The candidates come from the index of a tag. */
  byTag: boolean;
  /** The namespace had tagged entries when this was read. */
  tagged: boolean;
}

/** Where a selector's candidates come from: a list of keys, the indexes of tags, or a SCAN. */
export interface Source {
  kind: "keys" | "tags" | "scan";
  /** Reads the step at a cursor. `count`: keys that the server should look at. */
  read(at: string, count?: number): Promise<SourcePage>;
  /** Where a cursor stands between the first and the last, undefined after the last. */
  position(cursor: string | undefined): bigint;
  start: string;
}

/**
 * @param types Redis types to look at, undefined = all
 */
export function sourceOf(store: Store, selector: Selector, types: readonly string[] | undefined): Source {
  if ("keys" in selector) return keySource(store, selector.keys);
  const filter = filterOf(selector);
  if (filter.tags) return tagSource(store, filter);
  // A glob without wildcards is one key: nothing has to be scanned for it.
  if (filter.match !== undefined && LITERAL_GLOB.test(filter.match))
    return keySource(store, [globPrefix(filter.match)]);
  return scanSource(store, filter, types);
}

function keySource(store: Store, keys: readonly string[]): Source {
  const read = async (at: string): Promise<SourcePage> => {
    const from = Number(/^k(\d+)$/.exec(at)?.[1] ?? badCursor(at));
    const page = [...new Set(keys.slice(from, from + SCAN_COUNT))];
    const [marks] = await store.connection.pipelineRaw([askForMarks(store.names)]);
    const named = page.map((key): Candidate => ({ key, full: store.names.full(key) }));
    const { live, held, pieces } = await sortOut(store, named, mayBeMarked(marks));
    return {
      at,
      next: from + SCAN_COUNT < keys.length ? `k${from + SCAN_COUNT}` : undefined,
      candidates: live,
      held,
      pieces,
      seenTags: [],
      byTag: false,
      tagged: true,
    };
  };
  const position = (cursor: string | undefined) => (cursor === undefined ? AFTER_ALL : BigInt(cursor.slice(1)));
  return { kind: "keys", start: "k0", read, position };
}

function scanSource(store: Store, filter: Filter, types: readonly string[] | undefined): Source {
  const { connection, names } = store;
  const rest: (string | Buffer | number)[] = ["MATCH", matchPattern(names.namespace, filter)];
  const [type, ...others] = types ?? [];
  if (type !== undefined && others.length === 0) rest.push("TYPE", type);
  const page = async (at: string, next: string | undefined, keys: unknown[], registry: unknown, marks: unknown) => {
    if (registry instanceof Error) throw mapError(registry, connection.target);
    const named = keys.map(asBuffer).filter((full) => !isInternal(full));
    const candidates = named.map((full): Candidate => ({ key: names.bare(full), full }));
    const { live, held, pieces } = await sortOut(store, candidates, mayBeMarked(marks));
    return { at, next, candidates: live, held, pieces, seenTags: [], byTag: false, tagged: registry !== 0 };
  };
  const asked: Command[] = [["EXISTS", names.registry], askForMarks(names)];
  if (connection.clustered) {
    const scan = new ClusterScan(store, rest);
    const read = async (cursor: string, count = SCAN_COUNT): Promise<SourcePage> => {
      const place = cursor === "s0" ? clusterStart() : (readPlace(cursor) ?? badCursor(cursor));
      const { at, next, keys } = await scan.step(place, count);
      const [registry, marks] = await connection.pipelineRaw(asked);
      return page(placeText(at), next && placeText(next), keys, registry, marks);
    };
    return { kind: "scan", start: "s0", read, position: positionInCluster };
  }
  const read = async (at: string, count = SCAN_COUNT): Promise<SourcePage> => {
    const cursor = /^s(\d{1,20})$/.exec(at)?.[1] ?? badCursor(at);
    const [step, ...replies] = await connection.pipelineRaw([["SCAN", cursor, ...rest, "COUNT", count], ...asked]);
    if (step instanceof Error) throw mapError(step, connection.target);
    const [after, keys] = asArray(step);
    return page(at, nextCursor("s", after), asArray(keys), replies[0], replies[1]);
  };
  const position = (cursor: string | undefined) => (cursor === undefined ? AFTER_ALL : turned(cursor.slice(1)));
  return { kind: "scan", start: "s0", read, position };
}

function positionInCluster(cursor: string | undefined): bigint {
  if (cursor === undefined) return AFTER_ALL;
  const place = readPlace(cursor);
  return place ? (BigInt(place.nth) << 64n) + turned(place.cursor) : 0n;
}

function tagSource(store: Store, filter: Filter): Source {
  const tags = [...new Set(filter.tags)];
  const walked = filter.tagMode === "all" ? tags.slice(0, 1) : tags;
  // An index that is being purged still names live entries.
  const indexes = walked.flatMap((tag) => [tagIndex(store, tag), purgedIndex(store, tag)]);
  const read = async (at: string, count = SCAN_COUNT): Promise<SourcePage> => {
    const [, digits, cursor] = /^t(\d{1,6})\.(\d{1,20})$/.exec(at) ?? badCursor(at);
    const nth = Number(digits);
    const index = indexes[nth] ?? badCursor(at);
    const command: Command = ["ZSCAN", index, cursor ?? "0", "COUNT", count];
    const [after, members] = asArray(await store.connection.call(command));
    const candidates = pairs(asArray(members)).map(([member]) => {
      const { id, key } = readMember(asBuffer(member));
      return { key, id, full: store.names.full(key) };
    });
    const another = nth + 1 < indexes.length ? `t${nth + 1}.0` : undefined;
    return {
      at,
      next: nextCursor(`t${nth}.`, after) ?? another,
      candidates,
      held: [],
      pieces: false,
      seenTags: walked.slice(0, Math.floor(nth / 2)),
      byTag: true,
      tagged: true,
    };
  };
  const position = (cursor: string | undefined) => {
    const [nth = "0", rest = "0"] = (cursor ?? "").slice(1).split(".");
    return cursor === undefined ? AFTER_ALL : (BigInt(nth) << 64n) + turned(rest);
  };
  return { kind: "tags", start: "t0.0", read, position };
}

const AFTER_ALL = 1n << 100n;

/** What a cursor of a source looks like. */
export const SOURCE_CURSOR = /^[ckst][\d._a-f-]+$/;

/**
 * The place of a SCAN cursor in the order of the scan. Redis counts with the highest bit first (`dictScan`, by Pieter Noordhuis), so that the order
 * survives a table that grows or shrinks; with its 64 bits turned round a cursor is a number that only grows.
 */
function turned(cursor: string): bigint {
  return BigInt(`0b${[...BigInt(cursor).toString(2).padStart(64, "0")].reverse().join("")}`);
}

/** Sorted set of `writeId:key` by expiry. The name holds the tag's digest, so that it and its purged twin share a cluster slot. */
export function tagIndex(store: Store, tag: string): string {
  return `${store.names.internal}t:{${digestOf(tag)}}`;
}

export function purgedIndex(store: Store, tag: string): string {
  return `${store.names.internal}p:{${digestOf(tag)}}`;
}

function nextCursor(prefix: string, cursor: unknown): string | undefined {
  const text = asText(cursor);
  return text === "0" ? undefined : `${prefix}${text}`;
}

export function badCursor(cursor: string): never {
  throw new CacheError(
    "usage",
    "invalid-cursor",
    `${JSON.stringify(cursor.slice(0, 60))} is no cursor of this listing`,
    {
      hint: "Give the cursor as it was printed, with the same conditions.",
    },
  );
}
