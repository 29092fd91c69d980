import type { Cluster, Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Clock } from "../../clock.js";
import { CacheError } from "../../errors.js";
import { leaveConnectionsToOthers } from "./inheritance.js";
import {
  type FromWorker,
  isMessage,
  type Orders,
  type Reloaded,
  type ToWorker,
  type WorkerFigures,
} from "./messages.js";
import { withPast } from "./sums.js";

export interface CrewOptions {
  workers: number;
  orders: Omit<Orders, "type" | "index" | "workers" | "isFirst">;
  /** Milliseconds that a stop waits for what runs. */
  drainMs: number;
  /** Something happened to a worker. */
  warn: (message: string) => void;
}

/** Milliseconds before the place of a worker that ended is filled: twice as many each time, until one has lived for long. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
const LIVED_MS = 10_000;
/** Milliseconds that a worker may take to say what it has counted, and to end after its drain. */
const PATIENCE_MS = 1000;
const END_MS = 3000;

/** One place in the crew, whoever fills it. */
interface Place {
  index: number;
  worker: Worker | undefined;
  isReady: boolean;
  isWarming: boolean;
  pauseMs: number;
  startedAt: number;
  /** What its worker said last of what it has counted. */
  last: WorkerFigures | undefined;
}

/** The workers of a server, as its primary has them: as many as there are to be, all on one port. */
export class Crew {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #options: CrewOptions;
  readonly #places: Place[];
  readonly #over = new AbortController();
  readonly #answers = new Map<number, (answer: FromWorker) => void>();
  readonly #opened: Promise<void>;
  #open: () => void = () => {};
  #refuse: (error: CacheError) => void = () => {};
  #reloaded: Reloaded;
  #calls = 0;
  /** What was counted by workers that have ended, as far as they said: counters never go back. */
  #past: WorkerFigures | undefined;
  #url = "";

  private constructor(cluster: Cluster, clock: Clock, options: CrewOptions) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#options = options;
    this.#reloaded = options.orders.reloaded;
    this.#places = Array.from({ length: options.workers }, (_, index) => ({
      ...{ index, worker: undefined, isReady: false, isWarming: false, last: undefined },
      ...{ pauseMs: FIRST_PAUSE_MS, startedAt: 0 },
    }));
    this.#opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#refuse = reject;
    });
  }

  /** Resolves when all take requests. @throws CacheError what kept the first one that failed from it */
  static async start(clock: Clock, options: CrewOptions): Promise<Crew> {
    const { default: cluster } = await import("node:cluster");
    const [, exec = "", ...args] = process.argv;
    // Advanced: what is undefined or infinite arrives as that.
    cluster.setupPrimary({ exec, args, serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const crew = new Crew(cluster, clock, options);
    for (const place of crew.#places) crew.#fill(place, true);
    try {
      await crew.#opened;
    } catch (error) {
      await crew.stop(0);
      throw error;
    }
    return crew;
  }

  /** The proxy's, as all listen on it. */
  get url(): string {
    return this.#url;
  }

  /** Some worker takes requests. */
  get serves(): boolean {
    return this.#places.some(({ isReady }) => isReady);
  }

  get warming(): boolean {
    return this.#places.some(({ isWarming }) => isWarming);
  }

  /** What each has counted since it began, those before it included; of one that does not say, what it said last. */
  async figures(): Promise<WorkerFigures[]> {
    const asked = this.#places.map(async (place) => {
      const { worker, isReady } = place;
      const answer = worker && isReady ? await this.#ask(worker, { type: "figures" }) : undefined;
      const figures = answer?.type === "figures" ? answer.figures : undefined;
      if (figures && place.worker === worker) place.last = figures;
      return place.last;
    });
    return [this.#past, ...(await Promise.all(asked))].filter((figures) => figures !== undefined);
  }

  /** Empties a tier that each of them has for itself. @returns how many entries went */
  async clear(tier: string): Promise<number> {
    const workers = this.#places.flatMap(({ worker, isReady }) => (worker && isReady ? [worker] : []));
    const answers = await Promise.all(workers.map((worker) => this.#ask(worker, { type: "clear", tier })));
    return answers.reduce((sum, answer) => sum + (answer?.type === "cleared" ? answer.deleted : 0), 0);
  }

  /** For those that live, and those that come after them. */
  reload(reloaded: Reloaded): void {
    this.#reloaded = reloaded;
    for (const { worker } of this.#places) if (worker) send(worker, { type: "reload", reloaded });
  }

  /** Ends them all when what runs has ended. */
  async stop(drainMs = this.#options.drainMs): Promise<void> {
    this.#over.abort();
    const ended = this.#places.map(async ({ worker }) => {
      if (worker === undefined || worker.isDead()) return;
      // Not `once` of node:events, which fails with a channel that breaks meanwhile.
      const exit = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      send(worker, { type: "stop" });
      const patience = new AbortController();
      const late = this.#clock.sleep(drainMs + END_MS, patience.signal);
      await Promise.race([exit, late]);
      patience.abort();
      if (!worker.isDead()) worker.process.kill("SIGKILL");
      await exit;
    });
    await Promise.all(ended);
  }

  #fill(place: Place, isFirst: boolean): void {
    if (this.#over.signal.aborted) return;
    const worker = this.#cluster.fork();
    leaveConnectionsToOthers(worker);
    Object.assign(place, { worker, isReady: false, isWarming: false, startedAt: this.#clock.monotonic() });
    worker.on("message", (message: unknown) => {
      if (isMessage<FromWorker>(message)) this.#told(place, worker, message, isFirst);
    });
    worker.once("exit", (code, signal) => void this.#ended(place, code, signal));
    // A channel that breaks is a worker that ends.
    worker.on("error", () => {});
  }

  #told(place: Place, worker: Worker, message: FromWorker, isFirst: boolean): void {
    const { workers, orders } = this.#options;
    if (message.type === "hello") {
      send(worker, { type: "orders", ...orders, reloaded: this.#reloaded, index: place.index, workers, isFirst });
    } else if (message.type === "warming") place.isWarming = message.on;
    else if (message.type === "figures" || message.type === "cleared") this.#answers.get(message.call)?.(message);
    else if (message.type === "ready") {
      this.#url = message.url;
      place.isReady = true;
      if (this.#places.every(({ isReady }) => isReady)) this.#open();
    } else {
      const { code, hint } = message;
      this.#refuse(new CacheError(message.kind, code, message.message, hint === undefined ? {} : { hint }));
      if (!isFirst) this.#options.warn(`a worker can't begin: ${message.message}`);
    }
  }

  /** The next one comes after a pause, so that one that can't live is not started all the time. */
  async #ended(place: Place, code: number, signal: string | null): Promise<void> {
    if (place.last) this.#past = withPast(this.#past, place.last);
    Object.assign(place, { worker: undefined, isReady: false, isWarming: false, last: undefined });
    if (this.#over.signal.aborted) return;
    const why = signal ?? `exit ${code}`;
    this.#refuse(new CacheError("store", "worker-failed", `a worker ended while it began (${why})`));
    if (this.#clock.monotonic() - place.startedAt >= LIVED_MS) place.pauseMs = FIRST_PAUSE_MS;
    this.#options.warn(`worker ${place.index} ended (${why}): another one is started`);
    const { pauseMs } = place;
    place.pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    await this.#clock.sleep(pauseMs, this.#over.signal);
    this.#fill(place, false);
  }

  /** Undefined where it does not answer in time. */
  async #ask(
    worker: Worker,
    question: { type: "figures" } | { type: "clear"; tier: string },
  ): Promise<FromWorker | undefined> {
    this.#calls += 1;
    const call = this.#calls;
    const over = new AbortController();
    const answer = new Promise<FromWorker>((resolve) => this.#answers.set(call, resolve));
    send(worker, { ...question, call });
    const late = this.#clock.sleep(PATIENCE_MS, over.signal).then(() => undefined);
    const said = await Promise.race([answer, late]);
    over.abort();
    this.#answers.delete(call);
    return said;
  }
}

/** A port that is free just now, for all of them to listen on: each would else get one of its own when it is started again. @throws as listening does */
export async function freePort(host: string): Promise<number> {
  const server = createServer().listen({ host, port: 0 });
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message);
}
