/** Something a person should hear about that is no failure of the call it happened in. */
export interface WarningEvent {
  type: "warning";
  /** Stable, kebab-case. */
  code: string;
  message: string;
  hint?: string;
}

export type CacheEvent = WarningEvent;

export type Listener = (event: CacheEvent) => void;
