import { connect } from "node:net";
import { randomOf } from "../../cache/interleaving.js";
import { judge, type Verdict } from "./checker.js";
import { Crew, type Worker } from "./crew.js";
import { type Disturbance, Faults } from "./faults.js";
import { Lateness, monotonic } from "./lateness.js";
import { type History, isSourced, type Line, type Read } from "./records.js";
import { openTopology, type Topology, type TopologyName } from "./topologies.js";

/** Milliseconds by which a copy may be behind, and by which while its log is cut. */
const BEHIND_MS = 100;
const CUT_MS = 2000;

export interface RunOptions {
  topology: TopologyName;
  seed: number;
  /** Milliseconds in which the workers work. */
  ms: number;
  workers: number;
  faults: boolean;
}

export interface Report extends Verdict {
  topology: TopologyName;
  seed: number;
  changes: number;
  faults: Record<string, number>;
  errors: Record<string, number>;
  /** Calls that took longer than they may. */
  late: string[];
  hanging: string[];
  unhandled: string[];
  slowest: string;
  /** Milliseconds of CPU that were missing at the worst. */
  worstLag: number;
}

/** Has several processes work on one topology for a time, with faults, and judges what they saw. */
export async function runHistory({ topology: name, seed, ms, workers, faults }: RunOptions): Promise<Report> {
  const topology = await openTopology(name);
  const lags: Lag[] = [];
  const lateness = new Lateness((line) => line.t === "lag" && lags.push(line));
  const stopProbe = probe(topology, lags);
  try {
    const crew = await Crew.gather(topology, { seed, callers: 4, pauseMs: 4, storeMs: 1000 });
    for (let i = 0; i < workers; i++) await crew.add();
    await Promise.all(crew.all.map((worker) => worker.said("ready")));
    const harm = new Faults(topology, crew, randomOf(seed));
    const end = monotonic() + ms;
    if (faults) await harm.play(end);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, end - monotonic())));
    for (const word of ["stopped", "swept"] as const) {
      for (const worker of crew.working) worker.say(word);
      await Promise.all(crew.working.map((worker) => worker.said(word)));
      // From now on everybody has heard of everything.
      if (word === "stopped") await new Promise((resolve) => setTimeout(resolve, BEHIND_MS + 50));
    }
    await Promise.all(crew.all.map((worker) => worker.end()));
    return reportOf(topology, seed, crew.all, harm.done, lags);
  } finally {
    lateness.stop();
    await stopProbe();
    await topology.stop();
  }
}

interface Lag {
  at: number;
  ms: number;
}

/** Asks the first server again and again: how long it takes when nothing is wrong is the machine's doing. */
function probe({ servers }: Topology, lags: Lag[]): () => Promise<void> {
  const [server] = servers;
  if (!server) return async () => undefined;
  let over = false;
  const work = (async () => {
    while (!over) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, server.host);
        let asked = 0;
        const ask = () => {
          asked = monotonic();
          socket.write("PING\r\n");
        };
        socket.once("connect", ask);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => resolve());
        socket.on("data", () => {
          const at = monotonic();
          if (at - asked > 5) lags.push({ at, ms: at - asked });
          if (over) socket.destroy();
          else setTimeout(ask, 10);
        });
      });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return () => {
    over = true;
    return work;
  };
}

function reportOf(
  topology: Topology,
  seed: number,
  workers: readonly Worker[],
  disturbances: readonly Disturbance[],
  machineLags: readonly Lag[],
): Report {
  const history: History = { writes: [], drops: [], sources: [], reads: [] };
  const report = {
    errors: {} as Record<string, number>,
    late: [] as string[],
    hanging: [] as string[],
    unhandled: [] as string[],
  };
  const lagsBy = new Map<number, Lag[]>();
  let slowest = { took: 0, text: "" };
  let worstLag = 0;
  // A store that does not answer in time, be it that the machine was too busy, disturbs whoever asked it.
  const disturbed = [...disturbances];
  for (const worker of workers) {
    const { number } = worker;
    const lines = worker.lines();
    const lags: Lag[] = [];
    lagsBy.set(number, lags);
    gather(history, lines, worker);
    disturbed.push(...openBreakers(lines, worker));
    for (const line of lines) {
      if (line.t === "lag") lags.push(line);
      else if (line.t === "late") {
        const { how, took, allowed, lag } = line;
        report.late.push(`${how} by ${number}: ${took.toFixed(0)} ms of ${allowed}, lag ${lag.toFixed(0)}`);
      } else if (line.t === "hanging") report.hanging.push(...line.hows.map((how) => `${how} by ${number}`));
      else if (line.t === "unhandled") report.unhandled.push(`${number}: ${line.text}`);
      else if (line.t === "slowest" && line.took > slowest.took) {
        slowest = { took: line.took, text: `${line.how} ${line.took.toFixed(0)} ms, lag ${line.lag.toFixed(0)}` };
      } else if (line.t === "failed" || (line.t === "end" && line.code !== undefined)) {
        const name = `${line.t === "failed" ? "read" : "change"}: ${line.code}`;
        report.errors[name] = (report.errors[name] ?? 0) + 1;
      }
    }
  }
  const lostIn = (lags: readonly Lag[], from: number, to: number) =>
    lags.reduce((sum, { at, ms }) => (at >= from && at - ms <= to ? sum + ms : sum), 0);
  const isDisturbed = ({ by, start, end }: Read) =>
    disturbed.some((one) => (one.by === undefined || one.by === by) && one.start <= end && one.end >= start - CUT_MS);
  const boundOf = (read: Read): number => {
    // One store has no copies; callers of one process share a load.
    if (!topology.tiered && !isSourced(read.key)) return 0;
    const bound = isDisturbed(read) ? CUT_MS : BEHIND_MS;
    const [from, to] = [read.start - bound, read.end];
    const lag = Math.max(lostIn(lagsBy.get(read.by) ?? [], from, to), lostIn(machineLags, from, to));
    worstLag = Math.max(worstLag, bound === BEHIND_MS ? lag : 0);
    return bound + lag;
  };
  const bounds = new Map(history.reads.map((read) => [read, boundOf(read)]));
  const verdict = judge(history, {
    boundOf: (read) => bounds.get(read) ?? 0,
    isQuiet: (read) => !isDisturbed(read),
  });
  const faults: Record<string, number> = {};
  for (const { fault } of disturbances) faults[fault] = (faults[fault] ?? 0) + 1;
  const changes = history.writes.length + history.drops.length + history.sources.length;
  return { topology: topology.name, seed, ...verdict, ...report, changes, faults, slowest: slowest.text, worstLag };
}

/** When one of its breakers was open. */
function openBreakers(lines: readonly Line[], { number, killedAt }: Worker): Disturbance[] {
  const spans: Disturbance[] = [];
  const current = new Map<string, Disturbance>();
  for (const line of lines) {
    if (line.t !== "breaker") continue;
    const before = current.get(line.space);
    if (before) before.end = Math.min(before.end, line.at);
    current.delete(line.space);
    if (!line.open) continue;
    const span = { fault: "a breaker opened", start: line.at, end: killedAt, by: number };
    spans.push(span);
    current.set(line.space, span);
  }
  return spans;
}

/** What one worker did and saw. */
function gather(history: History, lines: readonly Line[], { number, killedAt }: Worker): void {
  const ends = new Map(lines.flatMap((line) => (line.t === "end" ? [[line.id, line]] : [])));
  for (const line of lines) {
    if (line.t === "read") {
      const { key, value, start, end, how, space } = line;
      history.reads.push({ key, value: value ?? undefined, start, end, how, space, by: number });
    } else if (line.t === "begin") {
      const end = ends.get(line.id);
      const times = { start: line.at, end: end?.at ?? killedAt, ok: end?.stored ?? false };
      const { change } = line;
      if (change.do === "write") history.writes.push({ ...change, ...times });
      else if (change.do === "drop") history.drops.push({ ...change, ...times });
      else history.sources.push({ ...change, ...times });
    }
  }
}
