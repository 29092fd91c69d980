import type { Outage, Reading, TierReading } from "../cache/readings.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** A line of NDJSON a look, until the signal is aborted. A look that failed is a line too. */
export async function watchAsLines(
  { io: { clock }, out, signal }: { io: Io; out: Output; signal: AbortSignal },
  interval: number,
  take: () => Promise<Reading | Outage>,
): Promise<void> {
  while (!signal.aborted) {
    const next = clock.monotonic() + interval;
    const reading = await take();
    if (signal.aborted) return;
    await out.line({ type: "sample", ...sampleOf(reading) });
    await clock.sleep(next - clock.monotonic(), signal);
  }
}

function sampleOf(reading: Reading | Outage): Record<string, unknown> {
  const at = new Date(reading.at).toISOString();
  if ("error" in reading) {
    const { code, message } = reading.error;
    return { at, connected: false, error: { code, message } };
  }
  const { at: _, tiers, elapsed, latency, source, ...whole } = reading;
  const named = tiers.map(({ name, ...tier }) => [name, storeOf(tier)] as const);
  return {
    at,
    elapsed: rounded(elapsed),
    latency: rounded(latency),
    source,
    ...storeOf(whole),
    tiers: Object.fromEntries(named),
  };
}

/** What was counted since the line before, by its own name; rates and totals apart. */
function storeOf({ counters, hitRate, rates, ...rest }: Omit<TierReading, "name">): Record<string, unknown> {
  const perSecond = Object.fromEntries(Object.entries(rates).map(([name, rate]) => [name, rounded(rate)]));
  return { ...counters, hitRate: hitRate ?? null, rates: perSecond, ...rest };
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;
