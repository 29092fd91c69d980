import type { Clock } from "../../clock.js";
import type { ConfigInput, Setting } from "../../config/layers.js";
import { loadConfig, type ResolvedConfig } from "../../config/load.js";
import { openConfigured } from "../../open-cache.js";
import { parseDuration } from "../../units.js";
import type { Typed } from "./typed.js";

export interface KeyList {
  keys: string[];
  /** Not all were looked at. */
  cut: boolean;
}

/** Keys shown at most. */
const SHOWN = 100;

/** Keys looked at, so that what all have in common is known rather than what the first have. */
const LOOKED_AT = 2_000;

/** The variable that says how long a store is waited for. */
const WAIT = "CACHE_COMPLETION_TIMEOUT";

/** Without it: milliseconds from the start of the process, and the least that is left after a slow start. */
const [BOUND, LEAST] = [350, 150];

/** Milliseconds that what was found until then has to come in. */
const ENDING = 80;

/**
 * Keys that begin with a text, and so that they can be typed as they are. The store is only read, and nothing is counted; where there is none, none is made. What it did not
 * say within its time is left out.
 * @throws what the settings and the store say
 */
export async function keysOf(input: ConfigInput, wanted: WantedKeys, clock: Clock): Promise<KeyList> {
  const patience = patienceOf(input.env[WAIT]);
  const config = onlyLooking(await loadConfig(input), patience);
  const giveUp = new AbortController();
  const ended = new AbortController();
  void clock.sleep(patience, ended.signal).then(() => giveUp.abort());
  const late = clock.sleep(patience + ENDING, ended.signal).then(() => true);
  const found = new Set<string>();
  try {
    const more = await Promise.race([look(config, wanted, clock, giveUp.signal, found), late]);
    return shownOf([...found].sort(), more);
  } finally {
    ended.abort();
  }
}

type WantedKeys = Pick<Typed, "prefix" | "ended">;

/** Milliseconds. */
function patienceOf(said: string | undefined): number {
  if (said === undefined || said === "") return Math.max(BOUND - process.uptime() * 1000, LEAST);
  return parseDuration(said);
}

/** @param found is filled as they come @returns whether there are more */
async function look(
  config: ResolvedConfig,
  { prefix, ended }: WantedKeys,
  clock: Clock,
  signal: AbortSignal,
  found: Set<string>,
): Promise<boolean> {
  const cache = await openConfigured(config, "read", { clock, emit: () => undefined, signal });
  let more = true;
  try {
    const selector = prefix === "" ? ({ all: true } as const) : { prefix };
    for await (const page of cache.scan(selector, { limit: LOOKED_AT, signal })) {
      for (const { key } of page.entries) if (isTypeable(key, ended)) found.add(key);
      more = page.cursor !== undefined;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await cache.close();
  }
  return more;
}

/** The lowest store, or the one that was asked for, read only; waits also for a lock no longer than that. */
function onlyLooking(config: ResolvedConfig, patience: number): ResolvedConfig {
  const { tiers, store, settings } = config;
  const said = (value: number | boolean): Setting => ({ value, source: { layer: "flag", where: "completion" } });
  return {
    ...config,
    tiers: tiers.filter((tier) => tier.store === store),
    fallback: undefined,
    settings: { ...settings, readOnly: said(true), timeout: said(Math.ceil(patience)) },
  };
}

/** Bytes that are no UTF-8 have no text, and what begins as a flag is one, unless `--` stands before it. */
function isTypeable(key: string, ended: boolean): boolean {
  return key.isWellFormed() && (ended || !key.startsWith("-"));
}

/** Those that are shown have as much in common as all of them: the first and the last in order are among them. */
function shownOf(keys: string[], more: boolean): KeyList {
  if (keys.length <= SHOWN) return { keys, cut: more };
  return { keys: [...keys.slice(0, SHOWN - 1), ...keys.slice(-1)], cut: more };
}
