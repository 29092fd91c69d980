import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Interfaces } from "@oclif/core";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { countFlag, Flags, percentFlag, repeatedFlag, severalArg, ttlFlag } from "../cli/flags.js";
import { piecesOf, takeStdin } from "../cli/input.js";
import { Progress } from "../cli/progress.js";
import { RejectLog } from "../cli/reject-log.js";
import { warmText } from "../cli/render/warm.js";
import { origin, originLine, refuseStoreFile, targetOf } from "../cli/target.js";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { isUrl } from "../transfer/source.js";
import { type WarmOptions, warm } from "../transfer/warm.js";
import { WarmError } from "../transfer/warm-report.js";

export default class Warm extends CacheCommand {
  static override summary = "Fill the cache from JSON: a file, standard input or a URL.";
  static override description =
    'Takes an object {"key": value}, an array or NDJSON of {"key", "value", "ttl", "expiresAt", "tags", "encoding"}; told by the ending (.json, .ndjson, .jsonl, also .gz, .br, .zst) or --format. A string value is stored as its text, any other as its own JSON source, byte for byte. A bad record is reported with its line and offset, the good ones go in: exit 6.';
  static override examples = [
    "<%= config.bin %> warm examples/products.json",
    "<%= config.bin %> warm examples/sessions.ndjson --ttl 30m --tag seed",
    "<%= config.bin %> warm big.ndjson.gz --checkpoint big.checkpoint --rejects bad.ndjson",
    "<%= config.bin %> warm https://example.com/data.json --prefix data:",
    "tail -n 20 log.ndjson | <%= config.bin %> warm - --format ndjson",
  ];
  static override args = {
    files: severalArg({ description: "files, http(s) URLs, or - for standard input" }),
  };
  static override flags = {
    format: Flags.string({ summary: "the form of the input", options: ["object", "array", "ndjson"] }),
    ttl: ttlFlag("ttl", { summary: "time to live of records that name none" }, ["none"]),
    "ttl-jitter": percentFlag("ttl-jitter", {
      summary: "take up to this much off each TTL, so that not all expire at once",
    }),
    prefix: Flags.string({ summary: "put this before every key", helpValue: "TEXT" }),
    tag: repeatedFlag({ summary: "a tag for every entry (repeatable)", helpValue: "TAG" }),
    "if-absent": Flags.boolean({ summary: "leave keys alone that are there" }),
    "batch-size": countFlag("batch-size", { summary: "records written at once [default: 500]", max: 10_000 }),
    concurrency: countFlag("concurrency", { summary: "batches under way at once [default: 4]", max: 64 }),
    "dry-run": Flags.boolean({ summary: "read and check everything, write nothing" }),
    checkpoint: Flags.string({ summary: "note how far it came in this file, and go on from there", helpValue: "FILE" }),
    rejects: Flags.string({ summary: "write bad records to this file, as they are", helpValue: "FILE" }),
    "max-errors": countFlag("max-errors", { summary: "stop after more bad records than this", min: 0 }),
    verify: Flags.boolean({ summary: "read every entry back and compare" }),
    "if-hit-rate-below": percentFlag("if-hit-rate-below", { summary: "do nothing unless the hit rate is lower" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Warm);
    const config = await this.settings(flags);
    if (!args.files) {
      throw new CacheError("usage", "invalid-arguments", "FILES are missing", {
        hint: "Name a file, a URL, or - for standard input.",
      });
    }
    const sources = args.files.map((file) => (file === "-" || isUrl(file) ? file : resolve(this.io.cwd, file)));
    this.#checkOutputs(sources, flags, config);
    const options = this.#options(args.files, flags, config);
    const cache = await (flags["dry-run"] ? this.openCache(flags) : this.openForWriting(flags));
    if (flags["if-hit-rate-below"] !== undefined) {
      const { hitRate } = await cache.stats();
      if (hitRate !== undefined && hitRate * 100 >= flags["if-hit-rate-below"]) {
        const percent = `${(hitRate * 100).toFixed(1)}%`;
        return this.out.report(
          { ...origin(config), stored: 0, skippedBecause: "hit-rate", hitRate },
          () => `nothing to do: the hit rate is ${percent}`,
        );
      }
    }
    const progress = new Progress(this.io, this.out, flags["dry-run"] ? "checked" : "warmed");
    const rejects = await RejectLog.open(
      this.out,
      flags.rejects === undefined ? undefined : resolve(this.io.cwd, flags.rejects),
    );
    try {
      const report = await warm(cache, sources, {
        ...options,
        onReject: (reject) => {
          progress.end();
          return rejects.add(reject);
        },
        onProgress: ({ records, bytes, totalBytes }) =>
          progress.update({
            done: records,
            share: sources.length === 1 && totalBytes ? bytes / totalBytes : undefined,
          }),
      });
      progress.end();
      if (report.rejected + report.tooLarge + report.otherType > 0) this.exitCode = EXIT.partial;
      if (report.mismatched > 0) this.exitCode = EXIT.failure;
      await this.out.report({ ...origin(config), ...report, ...this.pending() }, () =>
        this.out.quiet ? "" : warmText(report, this.takenBy(config)),
      );
      if (report.interrupted) this.#sayHowToGoOn(flags);
      else if (report.read === 0) this.out.warn("there was no record to read", "Check what makes the input.");
    } catch (error) {
      progress.end();
      if (error instanceof WarmError && this.out.mode === "text")
        this.out.note(warmText(error.report, originLine(config)));
      if (error instanceof WarmError && error.report.stored > 0) this.#sayHowToGoOn(flags);
      throw error;
    } finally {
      await rejects.close();
    }
  }

  /** What is written is neither the store nor what is read. */
  #checkOutputs(sources: readonly string[], flags: WarmFlags, config: ResolvedConfig): void {
    for (const flag of ["rejects", "checkpoint"] as const) {
      const file = flags[flag];
      if (file === undefined) continue;
      const path = resolve(this.io.cwd, file);
      refuseStoreFile(config, path, `--${flag}`);
      if (!sources.includes(path)) continue;
      throw new CacheError("usage", "would-overwrite-source", `--${flag} names a file that is read`, {
        hint: "Name another file.",
      });
    }
  }

  #sayHowToGoOn({ checkpoint }: WarmFlags): void {
    if (checkpoint === undefined) this.out.note("the same command begins anew; with --checkpoint FILE one goes on");
    else {
      const begun = existsSync(resolve(this.io.cwd, checkpoint));
      this.out.note(`the same command ${begun ? "goes on from there" : "begins at the beginning"}`);
    }
  }

  #options(files: readonly string[], flags: WarmFlags, config: ResolvedConfig): WarmOptions {
    const jitter = flags["ttl-jitter"];
    const named = flags.ttl === "none" ? null : typeof flags.ttl === "number" ? flags.ttl : undefined;
    const ttl = named === undefined && jitter !== undefined ? config.defaultTtl : named;
    const timeout = config.settings.timeout?.value;
    return {
      ...(files.includes("-") && { stdin: piecesOf(takeStdin(this.io), this.signal) }),
      signal: this.signal,
      ttl,
      ifAbsent: flags["if-absent"],
      dryRun: flags["dry-run"],
      verify: flags.verify,
      ...(typeof timeout === "number" && { timeout }),
      ...(jitter !== undefined && { ttlJitterPercent: jitter }),
      ...(isFormat(flags.format) && { format: flags.format }),
      ...(flags.prefix !== undefined && { prefix: flags.prefix }),
      ...(flags.tag && { tags: flags.tag }),
      ...(flags["batch-size"] !== undefined && { batchSize: flags["batch-size"] }),
      ...(flags.concurrency !== undefined && { concurrency: flags.concurrency }),
      ...(flags["max-errors"] !== undefined && { maxErrors: flags["max-errors"] }),
      ...(flags.checkpoint !== undefined && {
        checkpoint: { path: resolve(this.io.cwd, flags.checkpoint), target: `${targetOf(config)} ${config.keyPrefix}` },
      }),
    };
  }

  protected override errorDetails(error: unknown): object {
    return error instanceof WarmError ? { report: error.report } : {};
  }
}

type WarmFlags = Interfaces.InferredFlags<typeof Warm.flags>;

function isFormat(format: string | undefined): format is "object" | "array" | "ndjson" {
  return format === "object" || format === "array" || format === "ndjson";
}
