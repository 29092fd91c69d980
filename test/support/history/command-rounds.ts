import { expect } from "vitest";
import { openCache } from "../../../src/index.js";
import { startBinary } from "../run-binary.js";
import { tempDir } from "../temp-dir.js";
import { until } from "../until.js";
import { Lateness, monotonic } from "./lateness.js";

/** Milliseconds after the end of a command in which the old value is looked for. */
const WATCH_MS = 250;

const NAMESPACE = "served";
const KEY = "k:1";

/** What is typed, and what is read after it. */
const COMMANDS: { argv: string[]; left: string | undefined }[] = [
  { argv: ["invalidate", "--tag", "t", "--yes"], left: undefined },
  { argv: ["set", KEY, "new", "--ttl", "10m"], left: "new" },
  { argv: ["invalidate", "--prefix", "k:", "--yes"], left: undefined },
];

export interface Rounds {
  rounds: number;
  /** Milliseconds from the end of the command until the old value was read for the last time, less what this process was late; at the worst. Below zero: never after it. */
  worstDelay: number;
}

/**
 * This process serves a value from memory over a store, and reads it all the time, while the command line changes it in a process of its own.
 * @param url of the store
 */
export async function commandRounds(url: string, rounds: number): Promise<Rounds> {
  const cache = await openCache({ store: ["memory:", url], namespace: NAMESPACE });
  const lateness = new Lateness(() => {});
  const cwd = tempDir("command");
  let worstDelay = Number.NEGATIVE_INFINITY;
  try {
    for (let round = 0; round < rounds; round++) {
      const { argv, left } = COMMANDS[round % COMMANDS.length] ?? { argv: [], left: undefined };
      const old = `old ${round}`;
      await cache.set(KEY, old, { tags: ["t"] });
      await until(async () => (await cache.get(KEY)) === old && (await cache.get(KEY, { tier: "memory" })) === old);
      const command = startBinary([...argv, "--store", url, "--namespace", NAMESPACE], { cwd });
      let endedAt = Number.POSITIVE_INFINITY;
      let lastOld = monotonic();
      let value: unknown = old;
      const result = command.result.then((ended) => {
        endedAt = monotonic();
        return ended;
      });
      while (monotonic() < endedAt + WATCH_MS) {
        const asked = monotonic();
        value = await cache.get(KEY);
        if (value === old) lastOld = asked;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const { code, stderr } = await result;
      expect([code, stderr.split("\n").filter((line) => line.startsWith("error"))]).toEqual([0, []]);
      expect(value).toBe(left);
      worstDelay = Math.max(worstDelay, lastOld - endedAt - (lastOld > endedAt ? lateness.since(endedAt) : 0));
    }
  } finally {
    lateness.stop();
    await cache.close();
  }
  return { rounds, worstDelay };
}
