import type { Outage, Reading } from "../cache/readings.js";
import type { ResolvedConfig } from "../config/load.js";
import { formatDuration } from "../units.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";
import { type Watched, watchOnScreen } from "./screen/watch.js";
import { figureOf } from "./screen/watch-screen.js";
import { origin, originLine } from "./target.js";
import { watchAsLines } from "./watch-lines.js";

interface StatsWatch {
  io: Io;
  out: Output;
  config: ResolvedConfig;
  /** Milliseconds between two looks. */
  interval: number;
  /** Aborted: it ends. */
  signal: AbortSignal;
  /** What is watched; it ends early when its signal says so. */
  open: (signal: AbortSignal) => Watched;
}

/**
 * Watches figures until somebody has enough: on a screen where text goes to a terminal that can be one, else as lines of NDJSON.
 * @returns whether it was Ctrl-C that ended it
 */
export async function watchStats({ io, out, config, interval, signal, open }: StatsWatch): Promise<boolean> {
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  const watched = open(until);
  const sum = new WatchSum();
  const take = async () => {
    const reading = await watched.take();
    if (!until.aborted) sum.add(reading);
    return reading;
  };
  const start = io.clock.monotonic();
  let interrupted = false;
  const screen = out.mode === "text" && out.terminal && io.env.TERM !== "dumb";
  if (screen) {
    const from = originLine(config);
    interrupted = await watchOnScreen({ io, out, from, interval, watched: { ...watched, take }, end, until });
  } else await watchAsLines({ io, out, signal: until }, interval, take);
  interrupted ||= io.signal.aborted;
  const elapsed = io.clock.monotonic() - start;
  if (screen) await out.write(`watched ${originLine(config)} for ${formatDuration(elapsed)}: ${sum.text()}\n`);
  else {
    const data = {
      ...origin(config),
      elapsed: Math.round(elapsed),
      ...sum.data(),
      ...(interrupted && { interrupted }),
    };
    await out.line({ type: "summary", ...data });
  }
  return interrupted;
}

/** What was counted over all readings. */
class WatchSum {
  #samples = 0;
  #failed = 0;
  readonly #counted = { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };

  add(reading: Reading | Outage): void {
    this.#samples += 1;
    if ("error" in reading) this.#failed += 1;
    else for (const name of NAMES) this.#counted[name] += reading.counters[name];
  }

  data(): Record<string, unknown> {
    return { samples: this.#samples, failed: this.#failed, ...this.#counted, hitRate: this.#hitRate() ?? null };
  }

  text(): string {
    const { hits, misses, sets, errors } = this.#counted;
    const share = this.#hitRate();
    const rate = share === undefined ? "" : `, ${(share * 100).toFixed(1)}% of them hits`;
    const away = this.#failed === 0 ? "" : `, away for ${this.#failed} of ${this.#samples} looks`;
    return `${figureOf(hits + misses)} lookups${rate}, ${figureOf(sets)} sets, ${figureOf(errors)} errors${away}`;
  }

  #hitRate(): number | undefined {
    const { hits, misses } = this.#counted;
    return hits + misses === 0 ? undefined : hits / (hits + misses);
  }
}

const NAMES = ["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"] as const;
