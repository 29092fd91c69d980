import { redisCli } from "../redis-server.js";
import type { ProxyFault } from "../tcp-proxy.js";
import type { Crew } from "./crew.js";
import { monotonic } from "./lateness.js";
import type { Topology } from "./topologies.js";

/** A time in which something was wrong, with one worker or (`by` absent) with all. */
export interface Disturbance {
  fault: string;
  start: number;
  end: number;
  by?: number;
}

type Act = (random: () => number) => Promise<number | undefined>;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Everything that can be done to a topology and to those who use it, by name. */
export class Faults {
  readonly done: Disturbance[] = [];
  readonly #random: () => number;
  readonly #acts: [name: string, act: Act][];

  constructor(topology: Topology, crew: Crew, random: () => number) {
    this.#random = random;
    this.#acts = [...ofWorkers(crew)];
    if (topology.servers.length > 0) this.#acts.push(...ofServers(topology));
    if (topology.servers.length > 0 && !topology.clustered) this.#acts.push(...onTheWay(crew));
    if (topology.tiered && topology.servers.length > 0 && !topology.clustered)
      this.#acts.push(["the log cut", cutLog(crew)]);
  }

  /** One fault after the other until the time is over; each is gone when it returns. */
  async play(until: number): Promise<void> {
    let deck: [string, Act][] = [];
    while (monotonic() < until) {
      await pause(150 + 500 * this.#random());
      if (deck.length === 0) deck = shuffled(this.#acts, this.#random);
      const [name, act] = deck.pop() ?? [];
      if (name === undefined || act === undefined) return;
      const disturbance: Disturbance = { fault: name, start: monotonic(), end: Number.POSITIVE_INFINITY };
      this.done.push(disturbance);
      const by = await act(this.#random);
      if (by !== undefined) disturbance.by = by;
      disturbance.end = monotonic();
    }
  }
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const keyed = list.map((one) => [random(), one] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, one]) => one);
}

const oneOf = <T>(list: readonly T[], random: () => number): T | undefined => list[Math.floor(random() * list.length)];

function ofWorkers(crew: Crew): [string, Act][] {
  return [
    [
      "kill -9 of a worker",
      async (random) => {
        const worker = oneOf(crew.working, random);
        await worker?.kill();
        await (await crew.add()).said("ready");
        return worker?.number;
      },
    ],
    [
      "a worker stopped",
      async (random) => {
        const worker = oneOf(crew.working, random);
        worker?.signal("SIGSTOP");
        await pause(200 + 1800 * random());
        worker?.signal("SIGCONT");
        return worker?.number;
      },
    ],
  ];
}

function ofServers({ servers }: Topology): [string, Act][] {
  const act = (harm: (server: (typeof servers)[number], random: () => number) => Promise<unknown>): Act => {
    return async (random) => {
      const server = oneOf(servers, random);
      if (server) await harm(server, random);
      return undefined;
    };
  };
  return [
    [
      "kill -9 of the server",
      act(async (server, random) => {
        await server.kill();
        await pause(600 * random());
        await server.restart();
      }),
    ],
    ["CLIENT KILL", act((server) => redisCli(server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))],
    [
      "CLIENT PAUSE",
      act(async (server, random) => {
        const ms = Math.floor(200 + 600 * random());
        await redisCli(server, "CLIENT", "PAUSE", `${ms}`, "ALL");
        await pause(ms);
      }),
    ],
    ["DEBUG SLEEP", act((server, random) => redisCli(server, "DEBUG", "SLEEP", (0.2 + 0.6 * random()).toFixed(2)))],
    [
      "the server stopped",
      act(async (server, random) => {
        server.pause();
        await pause(200 + 1300 * random());
        server.resume();
      }),
    ],
  ];
}

function onTheWay(crew: Crew): [string, Act][] {
  const kinds: [string, (random: () => number) => ProxyFault][] = [
    ["latency", (random) => ({ kind: "latency", ms: 20 + Math.floor(150 * random()) })],
    ["a cut", () => ({ kind: "cut" })],
    ["half-open", () => ({ kind: "half-open" })],
    ["a stall", () => ({ kind: "stall" })],
    ["replies cut", (random) => ({ kind: "cut-reply", bytes: Math.floor(30 * random()) })],
    ["a drip", () => ({ kind: "drip", ms: 2 })],
  ];
  return kinds.map(([name, faultOf]) => [
    name,
    async (random) => {
      const worker = oneOf(crew.working, random);
      worker?.proxy?.set(faultOf(random));
      await pause(200 + 800 * random());
      worker?.proxy?.set({ kind: "none" });
      return worker?.number;
    },
  ]);
}

/** Everything else goes on: copies would be read for ever, if nobody noticed. */
function cutLog(crew: Crew): Act {
  return async (random) => {
    const worker = oneOf(crew.working, random);
    worker?.logProxy?.cutLog(true);
    await pause(2500 + 1500 * random());
    worker?.logProxy?.cutLog(false);
    return worker?.number;
  };
}
