import { readFile, stat } from "node:fs/promises";
import { CacheError, messageOf } from "../errors.js";
import type { Cell } from "./plan.js";
import type { BenchResult } from "./report.js";

type Known = Cell & Pick<BenchResult, "store" | "opsPerSecond" | "opsPerSecondRange">;

const SCHEMA = "cache.bench/1";
/** Of a file that is read whole. */
const MAX_BYTES = 64 * 1024 * 1024;
const HINT = "Make one with: cache bench --json > before.json";

/** An earlier report, for results to be compared with. */
export class Comparison {
  readonly #known = new Map<string, Known>();
  readonly #machine: string | undefined;

  /** @throws CacheError `compare-not-readable`, `not-a-report` */
  static async read(path: string): Promise<Comparison> {
    let text: string;
    try {
      const { size } = await stat(path);
      if (size > MAX_BYTES) throw new Error("it is too large for a report");
      text = await readFile(path, "utf8");
    } catch (error) {
      throw new CacheError("usage", "compare-not-readable", `${path} can't be read: ${messageOf(error)}`, {
        cause: error,
        hint: HINT,
      });
    }
    return new Comparison(text, path);
  }

  /** @param path for messages */
  constructor(text: string, path: string) {
    const report = parsed(text);
    if (!isObject(report) || report.schema !== SCHEMA || !Array.isArray(report.results))
      throw new CacheError("usage", "not-a-report", `${path} is no report of cache bench`, { hint: HINT });
    for (const one of report.results) if (isKnown(one)) this.#known.set(placeOf(one, one.store), one);
    this.#machine = machineOf(report.machine);
  }

  /** The result with what was found before, if the same was measured then. */
  with(result: BenchResult): BenchResult {
    const then = this.#known.get(placeOf(result, result.store));
    if (!then || then.opsPerSecond <= 0) return result;
    const [slowest, fastest] = result.opsPerSecondRange;
    const [slowestThen, fastestThen] = then.opsPerSecondRange;
    return {
      ...result,
      before: {
        opsPerSecond: then.opsPerSecond,
        ratio: result.opsPerSecond / then.opsPerSecond,
        differs: slowest > fastestThen || fastest < slowestThen,
      },
    };
  }

  /** What was measured then is another machine, or another Node: said by the names of both. */
  isElsewhere(machine: object): boolean {
    return this.#machine !== undefined && this.#machine !== machineOf(machine);
  }
}

function placeOf({ workload, valueSize, concurrency, keys, batch }: Cell, store: string): string {
  return JSON.stringify([store, workload, valueSize, concurrency, keys, batch]);
}

function machineOf(machine: unknown): string | undefined {
  if (!isObject(machine)) return undefined;
  return JSON.stringify([machine.cpu, machine.cores, machine.platform, machine.node]);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Said by who called: it is no report.
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isKnown(value: unknown): value is Known {
  if (!isObject(value)) return false;
  const { store, opsPerSecond, opsPerSecondRange: range } = value;
  const isRange = Array.isArray(range) && range.length === 2 && range.every((one) => typeof one === "number");
  return typeof store === "string" && typeof opsPerSecond === "number" && isRange;
}
