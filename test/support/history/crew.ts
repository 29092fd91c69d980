import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundled } from "../store-writers.js";
import { type TcpProxy, tcpProxy } from "../tcp-proxy.js";
import { tempDir } from "../temp-dir.js";
import { until } from "../until.js";
import { monotonic } from "./lateness.js";
import { type LogProxy, logProxy } from "./log-proxy.js";
import type { Line } from "./records.js";
import { Source } from "./source.js";
import type { Topology } from "./topologies.js";
import type { WorkerOptions } from "./worker-options.js";

/** One process that uses a cache, and the way it takes to the server. */
export class Worker {
  readonly number: number;
  readonly proxy: TcpProxy | undefined;
  readonly logProxy: LogProxy | undefined;
  readonly #log: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #killedAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(number: number, program: string, options: WorkerOptions, way: [TcpProxy, LogProxy] | undefined) {
    this.number = number;
    [this.proxy, this.logProxy] = way ?? [];
    this.#log = options.log;
    writeFileSync(this.#log, "");
    this.#child = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ["pipe", "inherit", "inherit"],
    });
    this.#ended = once(this.#child, "close");
    this.#child.stdin?.on("error", () => undefined);
  }

  /** When it was killed; infinite if it was not. */
  get killedAt(): number {
    return this.#killedAt;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Whole lines of its log so far. */
  lines(): Line[] {
    const text = readFileSync(this.#log, "utf8");
    const lines = text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Line);
  }

  /** @throws Error if it has ended before */
  async said(word: "ready" | "stopped" | "swept"): Promise<void> {
    const mark = `{"t":"${word}"`;
    const said = () => readFileSync(this.#log, "utf8").includes(mark);
    await until(() => said() || !this.alive, {
      timeoutMs: 60_000,
      everyMs: 20,
      what: `worker ${this.number} is ${word}`,
    });
    if (!said()) throw new Error(`worker ${this.number} ended before it was ${word} (${this.#child.exitCode})`);
  }

  say(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    this.#killedAt = monotonic();
    await this.#leave();
  }

  async end(): Promise<void> {
    await this.#ended;
    await this.#leave();
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  async #leave(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.proxy?.stop();
    await this.logProxy?.stop();
  }
}

export type Habits = Pick<WorkerOptions, "seed" | "callers" | "pauseMs" | "storeMs">;

/** Starts workers, one after the other, for one topology. */
export class Crew {
  readonly all: Worker[] = [];
  readonly #topology: Topology;
  readonly #program: string;
  readonly #dir: string;
  readonly #options: Habits;

  private constructor(topology: Topology, program: string, dir: string, options: Habits) {
    this.#topology = topology;
    this.#program = program;
    this.#dir = dir;
    this.#options = options;
  }

  static async gather(topology: Topology, options: Habits): Promise<Crew> {
    const dir = tempDir("crew");
    new Source(join(dir, "source.db")).close();
    return new Crew(topology, await program(), dir, options);
  }

  get working(): Worker[] {
    return this.all.filter((worker) => worker.alive);
  }

  async add(): Promise<Worker> {
    const number = this.all.length + 1;
    const [server] = this.#topology.servers;
    const way = server && !this.#topology.clustered ? await wayTo(server.port) : undefined;
    const options: WorkerOptions = {
      ...this.#options,
      worker: number,
      stores: this.#topology.urls(way?.[1].port ?? 0),
      log: join(this.#dir, `${number}.log`),
      source: join(this.#dir, "source.db"),
      seed: this.#options.seed + number,
      bounded: this.#topology.bounded,
      clustered: this.#topology.clustered,
    };
    const worker = new Worker(number, this.#program, options, way);
    this.all.push(worker);
    return worker;
  }
}

async function wayTo(port: number): Promise<[TcpProxy, LogProxy]> {
  const proxy = await tcpProxy(port);
  return [proxy, await logProxy(proxy.port)];
}

let built: Promise<string> | undefined;

/** The program of the workers, bundled once. */
function program(): Promise<string> {
  built ??= bundled("history/worker");
  return built;
}
