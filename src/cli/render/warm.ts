import { showKey } from "../../key.js";
import type { WarmReport } from "../../transfer/warm-report.js";
import { formatDuration, formatSize } from "../../units.js";

const entries = (count: number) => `${count} ${count === 1 ? "entry" : "entries"}`;

const some = (keys: readonly string[]) => (keys.length > 0 ? `: ${keys.map(showKey).join(", ")}` : "");

/** The summary of a warm: what went in, then whatever did not. */
export function warmText(report: WarmReport, from: string): string {
  const rate = report.elapsed > 0 ? ` (${Math.round((report.read / report.elapsed) * 1000)}/s)` : "";
  const where = report.resumedFrom === undefined ? "" : `, resumed at line ${report.resumedFrom.line}`;
  const verb = report.dryRun ? "dry run: would store" : report.interrupted ? "stopped: stored" : "stored";
  const lines = [
    `${verb} ${entries(report.stored)}, ${formatSize(report.bytes)}, in ${from} in ${formatDuration(report.elapsed)}${rate}${where}`,
  ];
  const also: [number, string][] = [
    [report.skipped, "left alone, there already"],
    [report.expired, "not written, expired"],
    [report.duplicates, "given again later in the input"],
    [report.rejected, "bad, not written"],
    [report.tooLarge, `larger than the store's bounds, not written${some(report.tooLargeKeys)}`],
    [report.otherType, `not written, the key holds another Redis type${some(report.otherTypeKeys)}`],
    [report.unacknowledged, "sent but not acknowledged: each may be written or not"],
    [report.verified, "read back and the same"],
    [report.mismatched, `read back and different${some(report.mismatchedKeys)}`],
  ];
  for (const [count, what] of also) if (count > 0) lines.push(`  ${count} ${what}`);
  return lines.join("\n");
}
