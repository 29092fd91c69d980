import type { ChalkInstance } from "chalk";
import { formatDuration, formatSize } from "../../units.js";
import type { Availability, CheckedTier, ShownSetting } from "../diagnosis.js";
import { table } from "./table.js";
import { escapeLine } from "./value.js";

interface Info {
  backends: readonly Availability[];
  settings: readonly ShownSetting[];
  tier: CheckedTier;
  checked: boolean;
  from: string;
}

export function infoText({ backends, settings, tier, checked, from }: Info, style: ChalkInstance): string {
  const mark = (ok: boolean) => (ok ? style.green("✓") : style.red("✗"));
  const health = tier.ok
    ? `${mark(true)} ${tier.name} answers${tier.latency === undefined ? "" : ` in ${tier.latency.toFixed(1)} ms`}`
    : `${mark(false)} ${tier.name}: ${escapeLine(tier.error?.message ?? "")}`;
  if (checked) return `${health} (${from})`;
  const facts: [string, string][] = [["store", from]];
  if (tier.entries !== undefined) facts.push(["entries", String(tier.entries)]);
  if (tier.bytes !== undefined) facts.push(["size of values", formatSize(tier.bytes)]);
  for (const [name, value] of Object.entries(tier.facts)) {
    facts.push([
      name.replaceAll("_", " "),
      name.endsWith("_seconds") ? formatDuration(Number(value) * 1000) : String(value),
    ]);
  }
  return [
    style.bold("Backends"),
    ...backends.map(({ kind, available, reason }) => `${mark(available)} ${kind}: ${reason}`),
    "",
    style.bold("Settings"),
    table(
      ["SETTING", "VALUE", "FROM"],
      [...settings.map(({ name, value, source }) => [name, value ?? "-", source]), ["fallback", "none", "default"]],
      style,
    ),
    "",
    style.bold("Store"),
    health,
    table(undefined, facts, style),
  ].join("\n");
}
