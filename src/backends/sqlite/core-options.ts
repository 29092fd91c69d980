import type { BackendContext } from "../backend.js";
import type { Bounds } from "./bounds.js";
import type { StoreSettings } from "./store.js";

/** Milliseconds that an event loop is kept at most by a lock of another process. */
export const BRIEF_WAIT_MS = 10;

/**
 * How the log of the database is kept: pages (4 KiB) at which whoever commits takes it into the database, which waits for the disk, and bytes to which it is cut
 * back. For one command few and large parts are faster (SQLite's own 1,000 pages make a bulk deletion wait twice as long). Where an event loop must go on
 * nobody does it in passing: a thread does.
 */
const LOG_OF = {
  sync: { checkpointPages: 4000, logBytes: 16 * 1024 * 1024 },
  async: { checkpointPages: 0, logBytes: 2 * 1024 * 1024 },
};

/** What the backends on SQLite are opened with. */
export interface CoreOptions extends BackendContext, Bounds {
  /** Milliseconds to wait for a lock that another process holds; default 5,000. */
  busyTimeoutMs?: number;
  /**
   * How to wait for it. `sync` (default): in SQLite, for which everything else in the process stands still; for a command that does one thing.
   * `async`: {@link BRIEF_WAIT_MS} in SQLite, then again and again from the event loop; a thread takes the log into the database.
   */
  wait?: "sync" | "async";
}

/** How the database of a core is opened. */
export function settingsOf(
  { readOnly = false, busyTimeoutMs = 5000, wait = "sync" }: CoreOptions,
  { path, applicationId }: { path: string; applicationId: number },
  lru: boolean,
): StoreSettings {
  return {
    path,
    applicationId,
    readOnly,
    busyTimeoutMs,
    lockWaitMs: wait === "sync" ? busyTimeoutMs : Math.min(BRIEF_WAIT_MS, busyTimeoutMs),
    patient: wait === "async",
    ...LOG_OF[wait],
    recency: lru && !readOnly,
  };
}
