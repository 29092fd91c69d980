import type { Call } from "../backend.js";
import type { Command } from "./connection.js";
import { mapError } from "./errors.js";
import { type Candidate, type SourcePage, sourceOf } from "./source.js";
import { checkSignal, type Store, untilAborted } from "./store.js";

/** Keys that are looked at, at least, and for each that is wanted. */
const MIN_KEYS = 2000;
const KEYS_PER_WANTED = 10;
const MAX_LIMIT = 10_000;

interface Heat {
  key: string;
  /** Larger is hotter. */
  heat: number;
}

/**
 * Of a part of the keys, as the server's own order of a scan has them: the most used where the server counts uses (an LFU policy), else those used last. A scan of the whole store
 * would cost more than what is gained.
 */
export async function hottest(store: Store, limit: number, { signal }: Call): Promise<string[]> {
  store.connection.checkOpen();
  const wanted = Math.min(MAX_LIMIT, Math.floor(limit));
  if (!(wanted > 0)) return [];
  const source = sourceOf(store, { all: true }, ["string"]);
  const heats = new Map<string, number>();
  const enough = Math.max(MIN_KEYS, wanted * KEYS_PER_WANTED);
  for (let at: string | undefined = source.start; at !== undefined && heats.size < enough; ) {
    checkSignal(signal);
    const page: SourcePage = await untilAborted(source.read(at), signal);
    for (const { key, heat } of await untilAborted(heatsOf(store, page.candidates), signal)) heats.set(key, heat);
    at = page.next;
  }
  return [...heats]
    .sort(([, a], [, b]) => b - a)
    .slice(0, wanted)
    .map(([key]) => key);
}

async function heatsOf(store: Store, candidates: readonly Candidate[]): Promise<Heat[]> {
  const idle = await ask(store, candidates, "IDLETIME");
  const counted = idle.some((reply) => reply instanceof Error && /LFU/.test(reply.message));
  const replies = counted ? await ask(store, candidates, "FREQ") : idle;
  return candidates.flatMap(({ key }, i) => {
    const reply = replies[i];
    if (reply instanceof Error) throw mapError(reply, store.connection.target, key);
    if (typeof reply !== "number") return [];
    return { key, heat: counted ? reply : -reply };
  });
}

function ask(store: Store, candidates: readonly Candidate[], what: "IDLETIME" | "FREQ"): Promise<unknown[]> {
  return store.connection.pipelineRaw(candidates.map(({ full }): Command => ["OBJECT", what, full]));
}
