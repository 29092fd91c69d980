import type { EntryInfo } from "../backend.js";
import { envelopeBytes, HEADER_BYTES, readEnvelope } from "../envelope.js";
import type { Command } from "./connection.js";
import { mapError } from "./errors.js";
import { markOf } from "./marks.js";
import type { RawKey } from "./names.js";
import { pack } from "./pack.js";
import { readList } from "./pieces.js";
import { asArray, asBuffer, asInteger, asOptionalBuffer, asText, asType } from "./reply.js";
import { DIGESTS, FACTS } from "./scripts.js";
import { digestOf, readSidecar, type Sidecar } from "./sidecar.js";
import type { Candidate } from "./source.js";
import { chunks, group, hasTags, type Store } from "./store.js";

/** Keys asked about at once: some 1 ms of the server's time. */
const KEYS_PER_STEP = 250;

/** A candidate that exists, with what the server says of it. */
export interface Known {
  candidate: Candidate;
  type: string;
  info: EntryInfo;
  /** The write id of its sidecar, if the value is still the one that was tagged. */
  id?: string;
  /** Bytes before the value, where it is wrapped. */
  header?: Buffer;
}

/** The candidates that exist, with their types alone. */
export async function typesOf(store: Store, candidates: readonly Candidate[]): Promise<Known[]> {
  const types = await store.connection.pipeline(candidates.map(({ full }): Command => ["TYPE", full]));
  return candidates.flatMap((candidate, i) => {
    const type = asType(types[i]);
    return type === "none" ? [] : [{ candidate, type, info: infoOf(candidate, type) }];
  });
}

/** The candidates that exist, with everything but their values. */
export async function factsOf(store: Store, candidates: readonly Candidate[]): Promise<Known[]> {
  const tagged = await hasTags(store);
  const out: Known[] = [];
  for (const chunk of chunks(candidates, KEYS_PER_STEP)) out.push(...(await factsOfChunk(store, chunk, tagged)));
  return out;
}

async function factsOfChunk(store: Store, candidates: readonly Candidate[], tagged: boolean): Promise<Known[]> {
  const { connection, clock } = store;
  const replies = await askAbout(store, candidates, tagged);
  const now = clock.now();
  const out: Known[] = [];
  const sidecars = new Map<Known, Sidecar>();
  const wrapped: Known[] = [];
  for (const [i, candidate] of candidates.entries()) {
    const [type, ttl, length, start, sidecar] = replies.slice(i * WIDTH, (i + 1) * WIDTH);
    for (const reply of [type, ttl])
      if (reply instanceof Error) throw mapError(reply, connection.target, candidate.key);
    const kind = asType(type);
    const left = asInteger(ttl);
    if (kind === "none" || left === -2) continue;
    const known: Known = { candidate, type: kind, info: infoOf(candidate, kind) };
    if (left >= 0) known.info.expiresAt = now + left;
    out.push(known);
    if (kind !== "string") continue;
    // The key can become another type between the commands; it is then listed without a size.
    if (length instanceof Error || start instanceof Error) continue;
    known.info.size = asInteger(length);
    if (markOf(asBuffer(start)) === "placeholder") {
      out.pop();
      continue;
    }
    if (envelopeBytes(asBuffer(start)) > 0) {
      known.header = asBuffer(start);
      wrapped.push(known);
    }
    const beside = readSidecar(asOptionalBuffer(sidecar ?? null));
    if (beside && (candidate.id === undefined || candidate.id === beside.i)) sidecars.set(known, beside);
  }
  await addHeaders(store, wrapped);
  await addTags(store, sidecars);
  return out;
}

/** Replies about each key: type, PTTL, STRLEN, the beginning of the value, the sidecar. */
const WIDTH = 5;

/** A script asks in a quarter of the time of single commands, which are for users who may run none, and where the keys lie apart. */
async function askAbout(store: Store, candidates: readonly Candidate[], tagged: boolean): Promise<unknown[]> {
  const sidecarOf = (key: string) => (tagged ? store.names.sidecar(key) : "");
  if (!store.connection.clustered) {
    const packed = pack(candidates.flatMap(({ key, full }) => [full, sidecarOf(key)]));
    const route = candidates[0]?.full ?? "";
    const answer = await store.scripts.run(FACTS, route, packed, store.names.internal, String(HEADER_BYTES));
    if (answer !== undefined) return asArray(answer);
  }
  return store.connection.pipelineRaw(
    candidates.flatMap(({ key, full }): Command[] => [
      ["TYPE", full],
      ["PTTL", full],
      ["STRLEN", full],
      ["GETRANGE", full, 0, HEADER_BYTES - 1],
      ["GET", store.names.sidecar(key)],
    ]),
  );
}

/** Reads what is wrapped to the end of its header: soft deadline, meta, and the size of the value itself. */
async function addHeaders(store: Store, wrapped: readonly Known[]): Promise<void> {
  const replies = await store.connection.pipeline(
    wrapped.map(({ candidate, header = Buffer.alloc(0) }): Command => {
      // A list of pieces is short, and says how large the value is.
      const last = markOf(header) === "pieces" ? -1 : envelopeBytes(header) - 1;
      return ["GETRANGE", candidate.full, 0, last];
    }),
  );
  for (const [i, known] of wrapped.entries()) {
    const bytes = asBuffer(replies[i]);
    const envelope = readEnvelope(bytes);
    delete known.header;
    if (!envelope) continue;
    known.header = bytes.subarray(0, envelope.headerBytes);
    const list = envelope.pieces && readList(bytes.subarray(envelope.headerBytes));
    known.info.size = list ? list.size : (known.info.size ?? 0) - envelope.headerBytes;
    if (envelope.staleAt !== undefined) known.info.staleAt = envelope.staleAt;
    if (envelope.meta) known.info.meta = envelope.meta;
  }
}

async function addTags(store: Store, sidecars: ReadonlyMap<Known, Sidecar>): Promise<void> {
  if (sidecars.size === 0) return;
  const digests = await digestsOf(
    store,
    [...sidecars.keys()].map(({ candidate }) => candidate.full),
  );
  let i = 0;
  for (const [known, sidecar] of sidecars) {
    if (digests[i++] !== sidecar.d) continue;
    known.id = sidecar.i;
    known.info.tags = sidecar.t;
    known.info.createdAt = sidecar.c;
  }
}

/** Digests of the stored bytes, "" where there are none: made by the server, or here where it runs no scripts for us. */
export async function digestsOf(store: Store, keys: readonly RawKey[]): Promise<string[]> {
  const out: string[] = [];
  for (const chunk of chunks(keys, 100)) {
    const groups = group(store, chunk, (key) => key);
    const calls = groups.map((some) => ({ route: some[0] ?? "", args: [pack(some)] }));
    const replies = await store.scripts.runAll(DIGESTS, calls);
    if (replies) {
      const digests = new Map<RawKey, string>();
      for (const [n, reply] of replies.entries()) {
        for (const [i, digest] of asArray(reply).entries()) digests.set(groups[n]?.[i] ?? "", asText(digest));
      }
      out.push(...chunk.map((key) => digests.get(key) ?? ""));
      continue;
    }
    // One at a time: values can be large.
    for (const key of chunk) {
      const [value] = await store.connection.pipelineRaw([["GET", key]]);
      out.push(Buffer.isBuffer(value) ? digestOf(value) : "");
    }
  }
  return out;
}

function infoOf(candidate: Candidate, type: string): EntryInfo {
  return type === "string" ? { key: candidate.key } : { key: candidate.key, type };
}
