import type { Clock } from "../../clock.js";
import type { ConfigInput, Setting } from "../../config/layers.js";
import { loadConfig, type ResolvedConfig } from "../../config/load.js";
import { openConfigured } from "../../open-cache.js";
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

/** Longest wait for one answer, and for a lock, in milliseconds: below the bound of the whole. */
const PATIENCE = 300;

/** Milliseconds from the start of the process until a store is given up; the least that it has after a slow start; and those that it has to end in. */
const [BOUND, LEAST, ENDING] = [350, 150, 80];

/**
 * Keys that begin with a text, and so that they can be typed as they are. The store is only read, and nothing is counted; where there is none, none is made. What it did not
 * say within its time is left out.
 * @throws what the settings and the store say
 */
export async function keysOf(
  input: ConfigInput,
  { prefix, ended }: Pick<Typed, "prefix" | "ended">,
  clock: Clock,
): Promise<KeyList> {
  const config = onlyLooking(await loadConfig(input));
  const giveUp = new AbortController();
  const left = Math.max(BOUND - performance.now(), LEAST);
  const timers = [setTimeout(() => giveUp.abort(), left)];
  const late = new Promise<KeyList>((resolve) => {
    timers.push(setTimeout(() => resolve({ keys: [], cut: true }), left + ENDING));
  });
  try {
    return await Promise.race([look(config, { prefix, ended }, clock, giveUp.signal), late]);
  } finally {
    timers.forEach(clearTimeout);
    giveUp.abort();
  }
}

async function look(
  config: ResolvedConfig,
  { prefix, ended }: Pick<Typed, "prefix" | "ended">,
  clock: Clock,
  signal: AbortSignal,
): Promise<KeyList> {
  const cache = await openConfigured(config, "read", { clock, emit: () => undefined, signal });
  const found = new Set<string>();
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
  return shownOf([...found].sort(), more);
}

/** The lowest store, or the one that was asked for, read only. */
function onlyLooking(config: ResolvedConfig): ResolvedConfig {
  const { tiers, store, settings } = config;
  const said = (value: number | boolean): Setting => ({ value, source: { layer: "flag", where: "completion" } });
  return {
    ...config,
    tiers: tiers.filter((tier) => tier.store === store),
    fallback: undefined,
    settings: { ...settings, readOnly: said(true), timeout: said(PATIENCE) },
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
