import { resolve } from "node:path";
import type { Interfaces } from "@oclif/core";
import type { DeleteReport } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import { Distinct } from "../cache/distinct.js";
import { CacheCommand } from "../cli/base-command.js";
import { confirmEverything, confirmMany } from "../cli/confirm.js";
import { EXIT } from "../cli/exit-codes.js";
import { binaryKeysFlag, countFlag, Flags, nullFlag, rateFlag, severalArg } from "../cli/flags.js";
import { readBytes, splitKeys } from "../cli/input.js";
import { Progress } from "../cli/progress.js";
import { escapeLine } from "../cli/render/value.js";
import { entrySource } from "../cli/screen/entry-source.js";
import { checkTypes, filterFromFlags, keyAsJson, keysFrom, selectionFlags, typeFlag } from "../cli/selection.js";
import { origin, originLine, refuseStoreFile, targetOf } from "../cli/target.js";
import { untilStopped } from "../cli/until-stopped.js";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { showKey } from "../key.js";
import { isEverything, type Selector } from "../selector.js";
import { backupEntries } from "../transfer/backup.js";

/** Named keys that are looked at one by one when they were not deleted. */
const MOST_LOOKED_AT = 100;

export default class Invalidate extends CacheCommand {
  static override summary = "Delete entries by key, prefix, glob, tag or all of them.";
  static override description =
    "Keys are deleted without a question. A prefix, glob or tag shows a count first and asks, or needs --yes. With nothing named on a terminal you search and choose, and are asked before anything goes. --all needs the target's name. If the store is away nothing is done: exit 5; with --fallback it is noted down as pending: exit 6.";
  static override examples = [
    "<%= config.bin %> invalidate product:1 product:2",
    "<%= config.bin %> invalidate",
    "<%= config.bin %> invalidate --prefix product: --dry-run",
    "<%= config.bin %> invalidate --tag products --yes",
    "<%= config.bin %> invalidate --match 'session:*:tmp' --yes --json",
    "<%= config.bin %> invalidate --all --namespace app --confirm=app",
  ];
  static override args = { keys: severalArg({ description: "the keys to delete" }) };
  static override flags = {
    ...selectionFlags,
    expired: Flags.boolean({ summary: "entries past their deadline that the store still holds" }),
    all: Flags.boolean({ summary: "everything in the namespace, or in the store without one" }),
    file: Flags.string({ char: "f", summary: "keys from a file, one a line; - for standard input", helpValue: "FILE" }),
    null: nullFlag({ summary: "the keys of --file end in NUL instead of a line feed" }),
    "key-base64": binaryKeysFlag(),
    type: typeFlag(),
    "dry-run": Flags.boolean({ summary: "say what would go, delete nothing" }),
    limit: countFlag("limit", { summary: "entries at most" }),
    rate: rateFlag("rate", { summary: "entries a second at most" }),
    soft: Flags.boolean({ summary: "mark entries that have a stale window as stale; delete the others" }),
    backup: Flags.string({ summary: "export what goes to this file first", helpValue: "FILE" }),
    "fail-if-none": Flags.boolean({ summary: "exit 3 if nothing matched" }),
    yes: Flags.boolean({ char: "y", summary: "do not ask" }),
    confirm: Flags.string({ summary: "the target's name, for --all without a question", helpValue: "TARGET" }),
  };

  /** Somebody chose on the terminal, where a slip of a finger is easy. */
  #chose = false;
  /** Entries dealt with so far, for when the store goes away in the middle. */
  #done = 0;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Invalidate);
    const config = await this.settings(flags);
    checkTypes(flags, config);
    const selector = (await this.#selector(args.keys, flags)) ?? (await this.#choose(config, flags));
    if (flags["dry-run"]) return this.#dryRun(await this.openCache(flags), selector, config, flags);
    this.checkWritable(config);
    await this.#confirm(selector, config, flags);
    const cache = await this.openForWriting(flags);
    let doomed = selector;
    if (flags.backup !== undefined) {
      refuseStoreFile(config, resolve(this.io.cwd, flags.backup), "--backup");
      if (flags.limit !== undefined) doomed = await firstOf(cache, selector, flags.limit, this.signal);
      const saved = await backupEntries(cache, doomed, flags.backup, { cwd: this.io.cwd, signal: this.signal });
      this.out.note(`${saved} ${saved === 1 ? "entry" : "entries"} exported to ${escapeLine(flags.backup)}`);
    }
    const progress = new Progress(this.io, this.out, flags.soft ? "invalidated" : "deleted");
    let report: DeleteReport;
    try {
      report = await cache.invalidate(doomed, {
        signal: this.signal,
        soft: flags.soft,
        onProgress: (done) => {
          this.#done = done;
          progress.update({ done });
        },
        ...(flags.limit !== undefined && { limit: flags.limit }),
        ...(flags.rate !== undefined && { rate: flags.rate }),
      });
    } catch (error) {
      progress.end();
      const entries = `${this.#done} ${this.#done === 1 ? "entry" : "entries"}`;
      if (this.#done > 0 && this.out.mode === "text")
        this.out.note(`at least ${entries} had been dealt with before this:`);
      throw error;
    }
    progress.end();
    const { deleted, softened } = report;
    if (report.pending) {
      this.exitCode = EXIT.partial;
      const what = "the store is away: this is noted down as pending, and is made before the store is used again";
      this.out.alert(what, "The same command makes sure of it when the store is back.");
    } else if ("keys" in selector && !selector.types && deleted + softened < selector.keys.length)
      await this.#sayWhatStays(cache, selector.keys);
    if (deleted + softened === 0 && flags["fail-if-none"]) this.exitCode = EXIT.miss;
    if (this.signal.aborted && !report.complete) this.out.note("stopped; the same command goes on with what is left");
    const data = {
      ...origin(config),
      deleted,
      ...(flags.soft && { softened }),
      complete: report.complete,
      ...(report.pending && { pending: true }),
    };
    await this.out.report(data, () => {
      if (this.out.quiet) return "";
      const soft = flags.soft ? `marked ${softened} stale, ` : "";
      if (report.pending) return `pending: ${originLine(config)} is away`;
      return `${soft}deleted ${deleted} ${deleted === 1 ? "entry" : "entries"} from ${originLine(config)}`;
    });
  }

  protected override errorDetails(): object {
    return this.#done > 0 ? { done: this.#done } : {};
  }

  /** Undefined where nothing is named, and somebody can be asked who does not expect that nothing is asked. */
  async #selector(keys: readonly string[] | undefined, flags: InvalidateFlags): Promise<Selector | undefined> {
    const filter = { ...filterFromFlags(flags), ...(flags.expired && { expiry: "expired" as const }) };
    const { types, ...conditions } = filter;
    if (flags.null && flags.file === undefined) {
      throw new CacheError("usage", "invalid-arguments", "-0 is about the keys of --file", {
        hint: "Say --file - to read them from standard input.",
      });
    }
    const named = keysFrom(keys, flags["key-base64"]);
    const fromFile =
      flags.file === undefined
        ? []
        : splitKeys(await readBytes(this.io, flags.file, this.signal), flags.null ? "nul" : "line");
    const ways = [named.length > 0 || flags.file !== undefined, flags.all, Object.keys(conditions).length > 0];
    const hint = "Name keys, a --prefix, --match, --tag, --expired, or say --all.";
    if (!ways.includes(true) && this.hasScreen && !flags.yes && this.out.mode === "text") return undefined;
    if (!ways.includes(true))
      throw new CacheError("usage", "empty-selector", "nothing says what to invalidate", { hint });
    if (ways.filter(Boolean).length > 1) {
      throw new CacheError("usage", "conflicting-selectors", "keys, conditions and --all exclude each other", { hint });
    }
    if (ways[0]) return { keys: [...named, ...fromFile], ...(types && { types }) };
    return flags.all ? { all: true, ...(types && { types }) } : filter;
  }

  async #choose(config: ResolvedConfig, flags: InvalidateFlags): Promise<Selector> {
    const cache = await (flags["dry-run"] ? this.openCache(flags) : this.openForWriting(flags));
    const { askEntries } = await import("../cli/prompts.js");
    this.#chose = true;
    const chosen = await askEntries(this.io, this.out.errStyle, {
      message: "What is to be invalidated?",
      from: originLine(config),
      source: entrySource(cache),
      types: flags.type ?? ["string"],
    });
    return flags.type ? { ...chosen, types: flags.type } : chosen;
  }

  /** Asks what must be asked. Where nobody can be asked it says no at once, before a store is opened or counted. */
  async #confirm(selector: Selector, config: ResolvedConfig, flags: InvalidateFlags): Promise<void> {
    const asking = { io: this.io, out: this.out, interactive: this.interactive };
    const verb = flags.soft ? "invalidate" : "delete";
    if (isEverything(selector)) {
      const target = config.keyPrefix === "" ? targetOf(config) : config.keyPrefix.replace(/:$/, "");
      const given = flags.confirm === config.keyPrefix && config.keyPrefix !== "" ? target : flags.confirm;
      return confirmEverything(asking, { target, given, verb });
    }
    if (
      ("keys" in selector && !this.#chose) ||
      flags.yes ||
      ("expiry" in selector && Object.keys(selector).length === 1)
    )
      return;
    await confirmMany(asking, { verb, from: originLine(config) }, async () => {
      const cache = await this.openForWriting(flags);
      const counted = await cache.countWhere(deletable(selector), { signal: this.signal });
      return { ...counted, count: Math.min(counted.count, flags.limit ?? counted.count) };
    });
  }

  /** Keys of other Redis types go only with `--type`: who named one is told. */
  async #sayWhatStays(cache: Cache, keys: readonly string[]): Promise<void> {
    for (const key of keys.slice(0, MOST_LOOKED_AT)) {
      const foreign = await cache.readForeign(key, 1);
      if (foreign)
        this.out.warn(`${showKey(key)} is a ${foreign.type} and stays`, `It goes with --type ${foreign.type}.`);
    }
  }

  async #dryRun(cache: Cache, selector: Selector, config: ResolvedConfig, flags: InvalidateFlags): Promise<void> {
    const distinct = new Distinct(cache.backend.capabilities.repeatsInScan);
    let count = 0;
    const limit = flags.limit ?? Number.POSITIVE_INFINITY;
    scan: for await (const page of untilStopped(
      cache.scan(deletable(selector), { signal: this.signal }),
      this.signal,
    )) {
      for (const { key } of page.entries) {
        if (count === limit) break scan;
        if (distinct.isRepeat(key)) continue;
        count += 1;
        await this.out.record("entries", "entry", keyAsJson(key), () => showKey(key));
      }
    }
    if (count === 0 && flags["fail-if-none"]) this.exitCode = EXIT.miss;
    const { exact } = distinct;
    const interrupted = this.signal.aborted;
    const data = { ...origin(config), dryRun: true, count, exact, ...(interrupted && { interrupted }) };
    await this.out.report(data, () => "", "entries");
    if (interrupted) this.out.note("stopped before the end: this is not all that would go");
    else if (this.out.mode === "text") {
      const entries = `${exact ? "" : "about "}${count} ${count === 1 ? "entry" : "entries"}`;
      this.out.note(`dry run: would ${flags.soft ? "invalidate" : "delete"} ${entries} from ${this.readFrom(config)}`);
    }
  }
}

type InvalidateFlags = Interfaces.InferredFlags<typeof Invalidate.flags>;

/** The first entries that the selector holds, by name: what a limited backup saves is what goes. */
async function firstOf(cache: Cache, selector: Selector, limit: number, signal: AbortSignal): Promise<Selector> {
  const keys = new Set<string>();
  for await (const page of cache.scan(deletable(selector), { limit, signal }))
    for (const { key } of page.entries) keys.add(key);
  return { keys: [...keys] };
}

/** The selector for a listing of what a deletion would take: of Redis types strings alone, unless others are named. */
function deletable(selector: Selector): Selector {
  return selector.types ? selector : { ...selector, types: ["string"] };
}
