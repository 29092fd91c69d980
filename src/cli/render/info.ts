import type { ChalkInstance } from "chalk";
import { formatDuration, formatSize } from "../../units.js";
import type { Availability, CheckedTier, ShownSetting } from "../diagnosis.js";
import { table } from "./table.js";
import { escapeLine } from "./value.js";

interface Info {
  backends: readonly Availability[];
  settings: readonly ShownSetting[];
  tiers: readonly CheckedTier[];
  checked: boolean;
  from: string;
}

export function infoText({ backends, settings, tiers, checked, from }: Info, style: ChalkInstance): string {
  const mark = (ok: boolean) => (ok ? style.green("✓") : style.red("✗"));
  if (checked) return tiers.map((tier) => `${healthLine(tier, mark)} (${escapeLine(tier.target)})`).join("\n");
  return [
    style.bold("Backends"),
    ...backends.map(({ kind, available, reason }) => `${mark(available)} ${kind}: ${reason}`),
    "",
    style.bold("Settings"),
    table(
      ["SETTING", "VALUE", "FROM"],
      settings.map(({ name, value, source }) =>
        name === "fallback" && value === null ? [name, "none", "default"] : [name, value ?? "-", source],
      ),
      style,
    ),
    "",
    `${style.bold(tiers.length > 1 ? "Stores" : "Store")}: ${from}`,
    ...tiers.flatMap((tier) => [healthLine(tier, mark), table(undefined, factsOf(tier), style)]),
  ].join("\n");
}

function healthLine({ name, ok, latency, error }: CheckedTier, mark: (ok: boolean) => string): string {
  if (!ok) return `${mark(false)} ${name}: ${escapeLine(error?.message ?? "")}`;
  if (name.startsWith("memory")) return `${mark(true)} ${name} answers: each process has its own`;
  return `${mark(true)} ${name} answers${latency === undefined ? "" : ` in ${latency.toFixed(1)} ms`}`;
}

function factsOf({ target, entries, bytes, facts }: CheckedTier): [string, string][] {
  const rows: [string, string][] = [["store", escapeLine(target)]];
  if (entries !== undefined) rows.push(["entries", String(entries)]);
  if (bytes !== undefined) rows.push(["size of values", formatSize(bytes)]);
  for (const [name, value] of Object.entries(facts)) {
    rows.push([
      name.replaceAll("_", " "),
      name.endsWith("_seconds") ? formatDuration(Number(value) * 1000) : String(value),
    ]);
  }
  return rows;
}
