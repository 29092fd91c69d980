import {
  type Backend,
  type BackendContext,
  type DecodedReader,
  type DirectReader,
  type EntryViewer,
  type ForeignReader,
  type ResilienceInfo,
  readsDecoded,
  readsDirectly,
  showsEntries,
} from "../backend.js";
import { FallbackBackend, type Watched } from "./fallback-backend.js";
import { type Journal, type JournalBounds, MemoryJournal } from "./journal.js";
import { JournalFile } from "./journal-file.js";
import type { ResilienceContext, ResilienceOptions } from "./options.js";
import { ResilientBackend } from "./resilient-backend.js";
import type { OpenBackend } from "./source.js";
import { Standby } from "./standby.js";

export type { ResilienceContext, ResilienceOptions } from "./options.js";

export type Resilient = Backend & ForeignReader & { state(): ResilienceInfo };

/**
 * Wraps a backend in deadlines, retries, a circuit breaker and health checks; see {@link ResilienceOptions} for the figures.
 * @param backend the backend, or how to open it: that is done at the first call, and again at a later one if it failed, so that a store that is away at the start is
 *   no failure of the start
 * @throws CacheError `invalid-resilience`
 */
export function resilient(
  backend: Backend | OpenBackend,
  options: ResilienceOptions,
  context: ResilienceContext,
): Resilient {
  const wrapped = new ResilientBackend(backend, options, context);
  if (typeof backend === "function" || !isMemory(backend)) return wrapped;
  const inner: DecodedReader & DirectReader & EntryViewer = backend;
  // Only memory answers so: what is asked of it fails in no way that a wrapper could help with.
  const getDecoded: DecodedReader["getDecoded"] = (key, decode) => inner.getDecoded(key, decode);
  const readDirect: DirectReader["readDirect"] = (key, want) => inner.readDirect(key, want);
  const getEntry: EntryViewer["getEntry"] = (key, decodeHead) => inner.getEntry(key, decodeHead);
  return Object.assign(wrapped, { getDecoded, readDirect, getEntry });
}

/** It answers at once in all ways there are. */
function isMemory(backend: Backend): backend is Backend & DecodedReader & DirectReader & EntryViewer {
  return readsDecoded(backend) && readsDirectly(backend) && showsEntries(backend);
}

export interface FallbackOptions {
  /**
   * The file in which changes are noted down that the store has missed: of this store and namespace alone, shared by all processes that use them. Without it they are kept in memory
   * and lost with the process: a fallback that outlives the process needs a file.
   */
  journalPath?: string;
  /** Keys, and other selectors, that are noted down at most; default 100,000. With more, the whole namespace is deleted before the store is trusted. */
  maxJournalKeys?: number;
  /** Bytes at most; default 1,000,000. */
  maxJournalBytes?: number;
  /** Milliseconds between two attempts to take the store back; default 1,000. A breaker that is open refuses them without asking the store. */
  recheckMs?: number;
  /** This process is over soon: its first calls wait until the store was told of what an earlier process has noted down. Default: for a second at most. */
  patient?: boolean;
}

export interface FallbackContext extends ResilienceContext, Pick<BackendContext, "readOnly"> {
  /** As the backends were opened with. Without one, a whole store may be other people's: then a journal that is full is an error of the write. */
  namespace: string;
}

/** `degraded`: callers are served from the fallback just now. */
export type WithFallback = Backend & ForeignReader & { state(): ResilienceInfo; readonly degraded: boolean };

/**
 * A store that another one stands in for while it is away. At the first failure that is left after the retries, reading and filling go on in the fallback; every change
 * is noted down, its caller told by `onPending` (and `pending` in a report). When the store answers again, it is told of all that it missed, the fallback forgets all that it took, and only
 * then is the store used again. So neither comes back with a value that was replaced or deleted meanwhile. Leases, cursors and positions of the one are worth
 * nothing in the other.
 */
export function withFallback(
  store: Watched,
  fallback: Backend,
  options: FallbackOptions,
  context: FallbackContext,
): WithFallback {
  const {
    journalPath,
    maxJournalKeys = 100_000,
    maxJournalBytes = 1_000_000,
    recheckMs = 1000,
    patient = false,
  } = options;
  const bounds: JournalBounds = {
    maxKeys: maxJournalKeys,
    maxBytes: maxJournalBytes,
    whole: context.namespace !== "",
  };
  const file = journalPath === undefined ? undefined : new JournalFile(journalPath, bounds, context.emit);
  const journal: Journal = file ?? new MemoryJournal(bounds);
  // Who may not change the store leaves the replay to who may.
  const distrust = context.readOnly !== true && file?.exists() === true;
  const standby = new Standby(store, fallback, journal, { recheckMs, distrust, patient }, context);
  return new FallbackBackend(store, fallback, standby, (pending) => {
    if (file === undefined) {
      context.emit({
        type: "warning",
        code: "pending-lost",
        message: `the store is still away and will never hear of ${pending} changes that were made meanwhile`,
        hint: "Delete what must not stay when it is back, and name a file for the journal.",
      });
    }
  });
}
