/** What a worker is told. */
export interface WorkerOptions {
  /** Its number; every value that it writes has it in its name. */
  worker: number;
  /** Store URLs, fastest first. */
  stores: string[];
  /** Path of the file that it writes its log into. */
  log: string;
  /** Path of the database of the sources. */
  source: string;
  seed: number;
  /** Calls at once. */
  callers: number;
  /** Milliseconds between two calls of a caller, at most. */
  pauseMs: number;
  /** Milliseconds that a call of a store may take. */
  storeMs: number;
  /** A call is one call of a store: it ends with its deadline. */
  bounded: boolean;
  clustered: boolean;
}
