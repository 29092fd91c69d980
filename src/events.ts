/** Something a person should hear about that is no failure of the call it happened in. */
export interface WarningEvent {
  type: "warning";
  /** Stable, kebab-case. */
  code: string;
  message: string;
  hint?: string;
}

/** A store began to fail, is tried again or answers again; or what stands in for it took over or gave back. */
export interface StoreEvent {
  type: "store";
  code: "breaker-open" | "breaker-half-open" | "breaker-closed" | "fallback-on" | "fallback-off";
  /** The store, for people, without secrets. */
  store: string;
  message: string;
  hint?: string;
}

export type CacheEvent = WarningEvent | StoreEvent;

export type Listener = (event: CacheEvent) => void;

export type WarningListener = (event: WarningEvent) => void;
