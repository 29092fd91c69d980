import { resolve } from "node:path";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { optionalArg } from "../cli/flags.js";
import { Progress } from "../cli/progress.js";
import { jsonForTerminal } from "../cli/render/value.js";
import { filterFromFlags, orAll, selectionFlags } from "../cli/selection.js";
import { origin, refuseStoreFile } from "../cli/target.js";
import { CacheError } from "../errors.js";
import { type ExportReport, exportEntries } from "../transfer/export.js";
import { exportToFile } from "../transfer/export-file.js";
import { formatSize } from "../units.js";

export default class Export extends CacheCommand {
  static override summary = "Write entries as NDJSON that warm takes back: same bytes, tags and deadlines.";
  static override description =
    "To a file (mode 0600, compressed if it ends in .gz or .br) or to standard output. Counts nothing and moves no recency. What has another Redis type than string is counted and left out.";
  static override examples = [
    "<%= config.bin %> export backup.ndjson",
    "<%= config.bin %> export --prefix product: products.ndjson.gz",
    "<%= config.bin %> export --tag products | gzip > products.ndjson.gz",
  ];
  static override args = { file: optionalArg({ description: "the file; without it, or with -, standard output" }) };
  static override flags = selectionFlags;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Export);
    const config = await this.settings(flags);
    const toFile = args.file !== undefined && args.file !== "-" ? resolve(this.io.cwd, args.file) : undefined;
    if (toFile === undefined && this.out.mode === "json") {
      throw new CacheError(
        "usage",
        "conflicting-flags",
        "the entries on standard output are NDJSON, not one JSON object",
        {
          hint: "Name a file to get the summary as JSON, or leave out --json.",
        },
      );
    }
    const selector = orAll(filterFromFlags(flags));
    if (toFile !== undefined) refuseStoreFile(config, toFile, "FILE");
    const cache = await this.openCache(flags);
    const progress = new Progress(this.io, this.out, "exported");
    const call = {
      signal: this.signal,
      onProgress: (report: Readonly<ExportReport>) => progress.update({ done: report.exported }),
    };
    let report: ExportReport;
    try {
      report =
        toFile === undefined
          ? await exportEntries(
              cache,
              selector,
              (lines) => this.out.write(this.out.terminal ? jsonForTerminal(lines.toString()) : lines),
              call,
            )
          : await exportToFile(cache, selector, toFile, call);
    } finally {
      progress.end();
    }
    if (report.unfit > 0) this.exitCode = EXIT.partial;
    if (toFile !== undefined && !/\.(ndjson|jsonl)(\.(gz|br))?$/i.test(toFile)) {
      this.out.warn("warm tells NDJSON by the ending .ndjson", "Rename the file, or say warm --format ndjson.");
    }
    const summary = this.#summary(report, this.readFrom(config));
    if (toFile === undefined) return this.out.note(summary);
    await this.out.report({ ...origin(config), file: toFile, ...report }, () => (this.out.quiet ? "" : summary));
  }

  #summary(report: ExportReport, from: string): string {
    const about = report.exact ? "" : "about ";
    const lines = [`exported ${about}${report.exported} entries (${formatSize(report.bytes)}) from ${from}`];
    if (report.otherTypes > 0) lines.push(`  ${report.otherTypes} of other types than string left out`);
    if (report.unfit > 0) lines.push(`  ${report.unfit} left out that warm could not take back`);
    if (report.interrupted) lines.push("  stopped before the end");
    return lines.join("\n");
  }
}
