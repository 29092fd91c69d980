import type { CounterReport } from "../../backends/backend.js";
import type { ResolvedConfig } from "../../config/load.js";
import type { Rule } from "../../config/rules.js";
import type { ServeSettings } from "../../config/serve.js";
import type { ErrorKind } from "../../errors.js";
import type { TlsFiles } from "../listener.js";
import type { TrafficFigures } from "../watching/traffic.js";

/** What a worker is told when it begins. */
export interface Orders {
  type: "orders";
  /** From 0. */
  index: number;
  /** How many there are: each has its share of the bounds. */
  workers: number;
  /** Never 0: all listen on the same. */
  port: number;
  /** Our name in `Via`: a request that comes back is known by every worker. */
  pseudonym: string;
  /** As the primary has resolved them: one that is started later must not find other files, or none, or ask for a password. */
  config: ResolvedConfig;
  settings: Omit<ServeSettings, "admin">;
  ca: string | undefined;
  /** The latest that could be used. */
  reloaded: Reloaded;
  /** It is the first of its place: one that follows a worker that was killed fills no store at its start. */
  isFirst: boolean;
}

/** What may be read again while a server runs. */
export interface Reloaded {
  rules: readonly Rule[];
  tls: TlsFiles | undefined;
}

/** What is in a worker's own memory. */
export interface OwnTier {
  name: string;
  counters: CounterReport["counters"];
  entries: number;
  bytes: number;
  usedBytes: number;
}

export interface WorkerFigures {
  traffic: TrafficFigures;
  tiers: readonly OwnTier[];
}

/** From the primary to a worker. */
export type ToWorker =
  | Orders
  | { type: "figures"; call: number }
  | { type: "clear"; call: number; tier: string }
  | { type: "reload"; reloaded: Reloaded }
  | { type: "stop" };

/** From a worker to the primary. */
export type FromWorker =
  | { type: "hello" }
  | { type: "ready"; url: string }
  | { type: "failed"; kind: ErrorKind; code: string; message: string; hint: string | undefined }
  | { type: "warming"; on: boolean }
  | { type: "figures"; call: number; figures: WorkerFigures }
  | { type: "cleared"; call: number; deleted: number };

/** Both ends are this program, and nobody else can write into the channel between them. */
export function isMessage<M extends { type: string }>(message: unknown): message is M {
  return typeof message === "object" && message !== null && "type" in message && typeof message.type === "string";
}
