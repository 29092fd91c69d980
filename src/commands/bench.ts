import { resolve } from "node:path";
import { Comparison } from "../bench/comparison.js";
import { type Cell, cellsOf, needOf } from "../bench/plan.js";
import type { BenchResult } from "../bench/report.js";
import { checkRoom } from "../bench/room.js";
import { runBench } from "../bench/run.js";
import { CacheCommand } from "../cli/base-command.js";
import { benchFlags, benchSettings } from "../cli/bench-options.js";
import { type BenchStore, type BenchStores, type BenchTools, namedStores, usualStores } from "../cli/bench-stores.js";
import { EXIT, exitCodeOf } from "../cli/exit-codes.js";
import { Progress } from "../cli/progress.js";
import { cellText, lengthText, planText, summaryText } from "../cli/render/bench.js";
import { benchPage } from "../cli/render/bench-page.js";
import { escapeLine } from "../cli/render/value.js";
import { checkReportFile, writeReportFile } from "../cli/report-file.js";
import { VERSION } from "../version.js";

export default class Bench extends CacheCommand {
  static override summary = "Compare stores side by side on this machine: throughput and latency.";
  static override description =
    'Each --store is a store of its own here, compared with the others; tiers are several URLs in one --store, as in CACHE_STORE: -s "memory: redis://localhost". Without one: memory, a SQLite file and a file store made for it, and Redis where one answers. Nothing but keys of its own is written, under a name of their own, and removed at the end, also after Ctrl-C; what is killed leaves keys that expire after 10 minutes.';
  static override examples = [
    "<%= config.bin %> bench --duration 30ms --warm-up 0",
    "<%= config.bin %> bench -s sqlite:./a.db -s file:./b --workload get,set --ops 1000",
    '<%= config.bin %> bench -s "memory: sqlite:./a.db" -s sqlite:./b.db --workload mixed --ops 1000',
    "<%= config.bin %> bench --workload get --value-size 100,1KB --concurrency 1 --ops 100 --json",
  ];
  static override flags = benchFlags;

  async run(): Promise<void> {
    const { flags } = await this.parse(Bench);
    const settings = benchSettings(flags);
    const cells = cellsOf(settings);
    const need = needOf(cells);
    const file = flags.html === undefined ? undefined : resolve(this.io.cwd, flags.html);
    if (file !== undefined) await checkReportFile(file);
    const earlier =
      flags.compare === undefined ? undefined : await Comparison.read(resolve(this.io.cwd, flags.compare));
    const { subjects, skipped } = await this.#stores(flags, {
      io: this.io,
      emit: ({ message, hint }) => this.out.warn(message, hint),
      need,
      checkRoom,
      keepOff: file,
    });
    const progress = new Progress(this.io, this.out, "operations");
    this.out.note(lengthText(cells.length, subjects.length, settings));
    const lasting = subjects.filter((subject) => subject.lasting);
    for (const line of planText(lasting, need)) this.out.note(line);
    for (const { name, reason } of skipped) this.out.note(escapeLine(`${name} is left out: ${reason}`));
    const onStop = () => {
      progress.end();
      this.out.note("stopping, and removing what was written; Ctrl-C again leaves it there");
    };
    this.signal.addEventListener("abort", onStop, { once: true });
    const offExit = this.io.onExit?.(() => this.#sayWhatIsLeft(subjects));
    const nameWidth = Math.max(...subjects.map(({ name }) => name.length));
    const measured: { cell: Cell; results: readonly BenchResult[] }[] = [];
    const { report, failures } = await runBench(subjects, settings, {
      clock: this.io.clock,
      signal: this.signal,
      onProgress: (share, ops) => progress.update({ done: ops, share }),
      onResults: async (cell, found) => {
        progress.end();
        const results = found.map((result) => earlier?.with(result) ?? result);
        measured.push({ cell, results });
        if (this.out.mode === "text")
          return this.out.write(`${cellText(cell, results, this.out.columns, nameWidth, this.out.style)}\n\n`);
        for (const result of results) await this.out.record("results", "result", { ...result }, () => "");
      },
    }).finally(() => {
      progress.end();
      offExit?.();
      this.signal.removeEventListener("abort", onStop);
    });
    const left = subjects.filter((_, i) => report.stores[i]?.left !== undefined);
    const [failure] = failures;
    const fails = measured.length === 0 && failure !== undefined && !report.interrupted;
    // Of one store alone that failure ends the command, and is said there.
    for (const { name, error } of fails && subjects.length === 1 ? [] : report.stores)
      if (error) this.out.alert(`${name}: ${error.message}`, error.hint);
    if (failure) this.exitCode = failures.length === subjects.length ? exitCodeOf(failure) : EXIT.partial;
    else if (left.length > 0) this.exitCode = EXIT.partial;
    this.#sayWhatIsLeft(left);
    if (fails) throw failure;
    if (earlier?.isElsewhere(report.machine))
      this.out.warn("the report to compare with is of another machine, or of another Node.js");
    if (file !== undefined)
      await writeReportFile(file, benchPage({ version: VERSION, settings, report, skipped, cells: measured }));
    await this.out.report(
      { ...report, settings: { ...settings }, skipped, ...(file !== undefined && { html: file }) },
      () => summaryText(report, skipped, this.out.style),
      "results",
    );
    if (file !== undefined) this.out.note(`wrote ${escapeLine(file)}`);
  }

  #sayWhatIsLeft(stores: readonly BenchStore[]): void {
    for (const { name, namespace, removal } of stores)
      if (removal !== undefined)
        this.out.alert(`${name} still holds what is under ${namespace}`, `Remove it: ${removal}`);
  }

  async #stores(flags: Readonly<Record<string, unknown>>, tools: BenchTools): Promise<BenchStores> {
    const texts = Array.isArray(flags.store) ? flags.store.map(String) : [];
    // A password is asked for once, for the first: it has to be the one that needs it.
    const first = texts.find((text) => /\bredis/i.test(text)) ?? texts[0];
    const base = await this.settings(first === undefined ? flags : { ...flags, store: [first] });
    this.checkWritable(base);
    if (first === undefined && base.storeSource.layer !== "flag")
      return usualStores(base, () => this.settingsAnew({ ...flags, backend: "redis" }), tools);
    const named = [];
    for (const text of texts.length > 0 ? texts : [""]) {
      const config = text === first || text === "" ? base : await this.settingsAnew({ ...flags, store: [text] });
      named.push({ text, config });
    }
    const said = new Set(base.warnings.map(({ message }) => message));
    for (const { message, hint } of named.flatMap(({ config }) => config.warnings))
      if (!said.has(message) && said.add(message)) this.out.warn(message, hint);
    return namedStores(named, tools);
  }
}
