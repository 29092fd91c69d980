import type { Socket } from "node:net";
import { errorToWire } from "../../api/errors.js";
import type { Cache } from "../../cache/cache.js";
import type { HeardChange } from "../../cache/change-feed.js";
import type { Alert, AlertName, Monitor, Sample, Thresholds } from "../../cache/monitor.js";
import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { CacheEvent } from "../../events.js";
import { type CacheStatusEntry, xCache } from "../../http/cache-status.js";
import { VERSION } from "../../version.js";
import type { Client } from "../client.js";
import type { Exchange } from "../proxy.js";
import type { AccessLog } from "./access-log.js";
import { EventHub, type HubEvent } from "./event-hub.js";
import type { Seen } from "./families.js";
import { StoreLooks } from "./store-look.js";
import { Traffic } from "./traffic.js";

export interface WatchOptions {
  /** URLs of the configured origins. */
  origins: readonly string[];
  /** Milliseconds between two samples of the monitor; 0 = none are taken. */
  monitorMs: number;
  thresholds: Partial<Thresholds>;
  accessLog?: AccessLog | undefined;
  /** For the log: something is wrong, or right again. */
  warn: (message: string) => void;
}

const ALERTS: readonly AlertName[] = ["hit-rate", "errors", "error-rate", "breaker", "unreachable"];

/** Sees what goes on in a running server: counts it, writes it down, and tells who listens. */
export class Watch {
  readonly events: EventHub;
  readonly #traffic: Traffic;
  readonly #clock: Clock;
  readonly #looks: StoreLooks;
  readonly #log: AccessLog | undefined;
  readonly #monitor: Monitor | undefined;
  readonly #warn: WatchOptions["warn"];

  constructor(cache: Cache, clock: Clock, options: WatchOptions) {
    const { origins, monitorMs, thresholds, accessLog, warn } = options;
    this.#clock = clock;
    this.#traffic = new Traffic(origins);
    this.#looks = new StoreLooks(cache, clock);
    this.#log = accessLog;
    this.#warn = warn;
    this.events = new EventHub(clock);
    if (monitorMs > 0) {
      this.#monitor = cache.monitor({
        interval: monitorMs,
        thresholds,
        onSample: (sample) => this.events.tell(sampleEvent(sample)),
        onAlert: (alert) => this.#alerted(alert),
      });
    }
  }

  connected(socket: Socket): void {
    this.#traffic.connected(socket);
  }

  arrived(client: Client): void {
    this.#traffic.running += 1;
    client.response.on("close", () => this.#ended(client));
  }

  answered({ client }: Exchange, _status: number, entry: CacheStatusEntry): void {
    client.outcome = xCache(entry);
  }

  asked({ origin }: Exchange, ms: number, status: number | undefined, failure: unknown): void {
    this.#traffic.asked(origin, ms, status, failure);
  }

  storeFailed(error: unknown): void {
    this.#traffic.storeFailures += 1;
    this.#warn(`the store: ${messageOf(error)}`);
  }

  changed(change: HeardChange): void {
    this.events.changed("gap" in change ? "gap" : change.op);
  }

  /** What stores tell of themselves. */
  heard(event: CacheEvent): void {
    if (event.type !== "store") return;
    const { code, store, message } = event;
    this.events.tell({ event: "store", data: { at: this.#clock.now(), code, store, message } });
  }

  /** The samples that there are, the oldest first. */
  get history(): HubEvent {
    return { event: "history", data: (this.#monitor?.samples ?? []).map(sampleData) };
  }

  /** What can be shown now. */
  async see(): Promise<Seen> {
    const store = await this.#looks.look();
    const holding = this.#monitor?.alerts ?? [];
    const alerts = this.#monitor ? ALERTS.map((name) => ({ name, holds: holding.includes(name) })) : [];
    return { traffic: this.#traffic, store, alerts, version: VERSION };
  }

  /** When the last request has ended, and before the store is let go. */
  async settled(): Promise<void> {
    this.events.close();
    await this.#monitor?.stop();
    await this.#log?.close();
  }

  #ended(client: Client): void {
    const ms = this.#clock.monotonic() - client.startedAt;
    this.#traffic.running -= 1;
    this.#traffic.ended(client, ms);
    this.#log?.ended(client, ms);
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
