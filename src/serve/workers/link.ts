import type { Worker } from "node:cluster";
import { CacheError, messageOf } from "../../errors.js";
import {
  type FromWorker,
  isMessage,
  type Orders,
  type Reloaded,
  type ToWorker,
  type WorkerFigures,
} from "./messages.js";

export interface LinkListener {
  figures: () => Promise<WorkerFigures>;
  reload: (reloaded: Reloaded) => void;
  /** Empties a tier. @returns how many entries went */
  clear: (tier: string) => Promise<number>;
}

/** A worker's end of the channel to its primary. */
export class Link {
  readonly orders: Orders;
  /** Aborted when it is to end. */
  readonly stopped: AbortSignal;
  readonly #worker: Worker;
  readonly #stop = new AbortController();
  #listener: LinkListener | undefined;

  private constructor(worker: Worker, orders: Orders) {
    this.#worker = worker;
    this.orders = orders;
    this.stopped = this.#stop.signal;
    worker.on("message", (message: unknown) => {
      if (isMessage<ToWorker>(message)) this.#told(message);
    });
  }

  /** Undefined in a process that is nobody's worker. */
  static async open(): Promise<Link | undefined> {
    if (process.send === undefined) return undefined;
    const { default: cluster } = await import("node:cluster");
    const { worker } = cluster;
    if (!cluster.isWorker || worker === undefined) return undefined;
    const orders = await new Promise<Orders>((resolve) => {
      worker.once("message", (message: unknown) => {
        if (isMessage<ToWorker>(message) && message.type === "orders") resolve(message);
      });
      worker.send({ type: "hello" } satisfies FromWorker);
    });
    return new Link(worker, orders);
  }

  /** It takes requests from now on. */
  ready(url: string, listener: LinkListener): void {
    this.#listener = listener;
    this.#send({ type: "ready", url });
  }

  warming(on: boolean): void {
    this.#send({ type: "warming", on });
  }

  /** It can't take any: resolves when that is told. */
  async failed(error: unknown): Promise<void> {
    const message = messageOf(error);
    const { kind, code, hint } =
      error instanceof CacheError ? error : new CacheError("store", "worker-failed", message, { cause: error });
    await new Promise<void>((resolve) => {
      if (!this.#worker.isConnected()) return resolve();
      this.#worker.send({ type: "failed", kind, code, message, hint } satisfies FromWorker, () => resolve());
    });
  }

  /** Lets the process end. */
  leave(): void {
    if (this.#worker.isConnected()) this.#worker.process.disconnect();
  }

  #told(message: ToWorker): void {
    if (message.type === "stop") this.#stop.abort();
    if (message.type === "reload") this.#listener?.reload(message.reloaded);
    if (message.type === "clear") {
      const { call, tier } = message;
      void this.#answer(this.#listener?.clear(tier), (deleted) => ({ type: "cleared", call, deleted }));
    }
    if (message.type === "figures") {
      const { call } = message;
      void this.#answer(this.#listener?.figures(), (figures) => ({ type: "figures", call, figures }));
    }
  }

  async #answer<T>(work: Promise<T> | undefined, message: (done: T) => FromWorker): Promise<void> {
    try {
      if (work) this.#send(message(await work));
    } catch {
      // The store fails: who asks goes on without an answer, and whoever needs the store is told by it.
    }
  }

  #send(message: FromWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message);
  }
}
