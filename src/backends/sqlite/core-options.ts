import type { BackendContext } from "../backend.js";
import type { Bounds } from "./bounds.js";
import type { StoreSettings } from "./store.js";

/** Milliseconds that an event loop is kept at most by a lock of another process. */
export const BRIEF_WAIT_MS = 10;

/**
 * How the log of the database is kept. For one command few and large parts are faster (SQLite's own 1,000 pages make a bulk deletion wait twice as long);
 * where an event loop must go on, they are small.
 */
const LOG_OF = {
  sync: { checkpointPages: 4000, logBytes: 16 * 1024 * 1024 },
  async: { checkpointPages: 500, logBytes: 4 * 1024 * 1024 },
};

/** What the backends on SQLite are opened with. */
export interface CoreOptions extends BackendContext, Bounds {
  /** Milliseconds to wait for a lock that another process holds; default 5,000. */
  busyTimeoutMs?: number;
  /**
   * How to wait for it. `sync` (default): in SQLite, for which everything else in the process stands still; for a command that does one thing.
   * `async`: {@link BRIEF_WAIT_MS} in SQLite, then again and again from the event loop; the log is taken into the database in small parts.
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
