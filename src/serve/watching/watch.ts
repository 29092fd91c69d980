import type { Socket } from "node:net";
import { errorToWire } from "../../api/errors.js";
import type { DeleteReport } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import type { HeardChange } from "../../cache/change-feed.js";
import {
  type Alert,
  type AlertName,
  Monitor,
  type MonitorOptions,
  type Sample,
  type Thresholds,
} from "../../cache/monitor.js";
import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { CacheEvent, StoreEvent } from "../../events.js";
import { type CacheStatusEntry, xCache } from "../../http/cache-status.js";
import type { PurgeRequest } from "../../http/purge.js";
import { VERSION } from "../../version.js";
import { type Figures, readFigures } from "../admin/tier-figures.js";
import type { Client } from "../client.js";
import type { Exchange } from "../question.js";
import type { WorkerFigures } from "../workers/messages.js";
import { ownTiers, sumTraffic, withOwnTiers } from "../workers/sums.js";
import type { AccessLog } from "./access-log.js";
import { EventHub, type EventSink, type HubEvent } from "./event-hub.js";
import type { BreakerState, Seen } from "./family.js";
import { healthOf } from "./health.js";
import { Recorder } from "./recorder.js";
import { StoreLooks } from "./store-look.js";
import { Traffic } from "./traffic.js";

export interface WatchOptions {
  /** URLs of the configured origins. */
  origins: readonly string[];
  /** Milliseconds between two samples of the monitor; 0 = none are taken. */
  monitorMs: number;
  thresholds: Partial<Thresholds>;
  accessLog?: AccessLog | undefined;
  /** What the workers of this server have counted, where it has some. */
  crew?: () => Promise<readonly WorkerFigures[]>;
  /** For the log: something is wrong, or right again. */
  warn: (message: string) => void;
}

const ALERTS: readonly AlertName[] = ["hit-rate", "errors", "error-rate", "breaker", "unreachable"];

/** Milliseconds between two warnings about the store: it may fail for each of thousands of requests. */
const QUIET_MS = 1000;

const STATES: Partial<Record<StoreEvent["code"], BreakerState>> = {
  "breaker-open": "open",
  "breaker-half-open": "half-open",
  "breaker-closed": "closed",
};

/** Sees what goes on in a running server: counts it, writes it down, and tells who listens. */
export class Watch {
  readonly events: EventHub;
  readonly #traffic: Traffic;
  readonly #clock: Clock;
  readonly #looks: StoreLooks;
  readonly #log: AccessLog | undefined;
  readonly #monitor: Monitor | undefined;
  readonly #warn: WatchOptions["warn"];
  readonly #crew: WatchOptions["crew"];
  readonly #cache: Cache;
  readonly #recorder: Recorder;
  readonly #proxies: boolean;
  #quietUntil = 0;
  readonly #breakers = new Map<string, BreakerState>();
  /** One for all clients. */
  readonly #ended = (client: Client, complete: boolean): void => {
    const ms = this.#clock.monotonic() - client.startedAt;
    this.#traffic.running -= 1;
    this.#traffic.ended(client, ms, complete);
    this.#log?.ended(client, ms, complete);
  };

  constructor(cache: Cache, clock: Clock, options: WatchOptions) {
    const { origins, monitorMs, thresholds, accessLog, crew, warn } = options;
    this.#clock = clock;
    this.#traffic = new Traffic(origins);
    this.#looks = new StoreLooks(() => this.store(), clock);
    this.#log = accessLog;
    this.#warn = warn;
    this.#crew = crew;
    this.#cache = cache;
    this.#proxies = origins.length > 0;
    this.events = new EventHub(clock);
    this.#recorder = new Recorder(clock, {
      see: () => this.see(),
      idleMs: monitorMs,
      isHeard: () => this.events.listeners > 0,
      onLook: (seen, point) => {
        if (point) this.events.tell({ event: "point", data: point });
        this.events.tell({ event: "health", data: healthOf(seen, clock.now(), this.#proxies) });
      },
      onFailure: (error) => this.storeFailed(error),
    });
    if (monitorMs > 0) {
      const monitored: MonitorOptions = {
        interval: monitorMs,
        thresholds,
        onSample: (sample) => this.events.tell(sampleEvent(sample)),
        onAlert: (alert) => this.#alerted(alert),
      };
      const look = async () => {
        const { all } = withOwnTiers({ all: await cache.stats(), tiers: [] }, (await crew?.()) ?? []);
        return all;
      };
      this.#monitor = crew
        ? new Monitor(look, clock, ({ message }) => warn(message), monitored)
        : cache.monitor(monitored);
    }
  }

  connected(socket: Socket): void {
    this.#traffic.connected(socket);
  }

  arrived(client: Client): void {
    this.#traffic.running += 1;
    client.onEnded = this.#ended;
  }

  answered({ client }: Exchange, _status: number, entry: CacheStatusEntry): void {
    client.outcome = xCache(entry);
  }

  asked({ origin }: Exchange, ms: number, status: number | undefined, failure: unknown): void {
    this.#traffic.asked(origin, ms, status, failure);
  }

  storeFailed(error: unknown): void {
    this.#traffic.storeFailures += 1;
    const now = this.#clock.monotonic();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    this.#warn(`the store: ${messageOf(error)}`);
  }

  changed(change: HeardChange): void {
    const op = "gap" in change ? "gap" : change.op;
    this.#traffic.changes[op] += 1;
    this.events.changed(op);
  }

  /** Responses were purged through the admin API. */
  purged(request: PurgeRequest, { deleted, softened }: Pick<DeleteReport, "deleted" | "softened">): void {
    const by = "urls" in request ? "url" : "prefix" in request ? "prefix" : "match" in request ? "glob" : "tag";
    this.#traffic.purgedBy(by, deleted, softened);
  }

  /** What stores tell of themselves. */
  heard(event: CacheEvent): void {
    if (event.type !== "store") return;
    const { code, store, message } = event;
    const state = STATES[code];
    if (state) this.#breakers.set(store, state);
    this.events.tell({ event: "store", data: { at: this.#clock.now(), code, store, message } });
  }

  /** Tells somebody what happens from now on, and first what there was. @param holds whether he would be let in now */
  join(sink: EventSink, holds: () => boolean): void {
    const history = { event: "history", data: (this.#monitor?.samples ?? []).map(sampleData) };
    this.events.join(sink, [history, { event: "points", data: this.#recorder.points }], holds);
    this.#recorder.wake();
  }

  /** The state of the circuit breaker of a tier, where it has changed since the start. */
  breakerOf(tier: string | undefined): BreakerState | undefined {
    return tier === undefined ? undefined : this.#breakers.get(tier);
  }

  /** What a worker tells its primary. */
  async figures(): Promise<WorkerFigures> {
    return { traffic: this.#traffic.figures, tiers: ownTiers(await this.#looks.look()) };
  }

  /** The figures of the store as they are now, with what is in the memory of workers. */
  async store(): Promise<Figures> {
    const figures = await readFigures(this.#cache);
    return this.#crew ? withOwnTiers(figures, await this.#crew()) : figures;
  }

  /** What can be shown now. */
  async see(): Promise<Seen> {
    const store = await this.#looks.look();
    const workers = await this.#crew?.();
    const holding = this.#monitor?.alerts ?? [];
    const alerts = this.#monitor ? ALERTS.map((name) => ({ name, holds: holding.includes(name) })) : [];
    return {
      traffic: workers ? sumTraffic(this.#traffic.figures, workers) : this.#traffic,
      store,
      breakers: this.#breakers,
      alerts,
      listeners: this.events.listeners,
      linesLost: this.#log?.lost,
      version: VERSION,
    };
  }

  /** When the last request has ended, and before the store is let go. */
  async settled(): Promise<void> {
    this.events.close();
    await this.#recorder.stop();
    await this.#monitor?.stop();
    await this.#log?.close();
  }

  #alerted(alert: Alert): void {
    this.#warn(alert.message);
    this.events.tell({ event: "alert", data: alert });
  }
}

function sampleEvent(sample: Sample): HubEvent {
  return { event: "sample", data: sampleData(sample) };
}

function sampleData({ error, ...sample }: Sample): object {
  return error ? { ...sample, ...errorToWire(error) } : sample;
}
