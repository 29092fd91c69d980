import type { Interfaces } from "@oclif/core";
import { Distinct } from "../cache/distinct.js";
import { CacheCommand } from "../cli/base-command.js";
import { confirmEverything, confirmMany } from "../cli/confirm.js";
import { EXIT } from "../cli/exit-codes.js";
import { Flags, repeatedFlag, severalArg } from "../cli/flags.js";
import { origin, originLine, targetOf } from "../cli/target.js";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { HttpCache, type PurgeReport } from "../http/http-cache.js";
import { isGlob, type PurgeRequest, planPurge, purgesEverything } from "../http/purge.js";
import { showKey } from "../key.js";

/** Keys that are shown before the question. */
const SAMPLE = 5;

export default class Purge extends CacheCommand {
  static override summary = "Forget HTTP responses that cache serve has stored.";
  static override description =
    "A URL means every variant of it, and goes without a question. A glob, prefix or tag shows a count first and asks, or needs --yes; what means everything needs the target's name. A glob has a * in it, or begins with / for the paths of every host. Works on the store of cache serve, in whose memory it is gone within 100 ms. If the store is away nothing is done: exit 5.";
  static override examples = [
    "<%= config.bin %> purge https://www.example.com/blog/1",
    "<%= config.bin %> purge '/blog/*' --yes",
    "<%= config.bin %> purge 'https://www.example.com/*.css' --dry-run",
    "<%= config.bin %> purge --tag news --tag sport --yes --json",
    "<%= config.bin %> purge --prefix https://www.example.com/blog/ --soft --yes",
  ];
  static override args = { urls: severalArg({ description: "URLs, and globs on URLs or paths" }) };
  static override flags = {
    tag: repeatedFlag({ summary: "responses with this tag (repeatable: any of them)", helpValue: "TAG" }),
    "all-tags": Flags.boolean({ summary: "responses that carry every --tag" }),
    prefix: repeatedFlag({ summary: "URLs that begin with this (repeatable)", helpValue: "URL" }),
    soft: Flags.boolean({ summary: "mark as stale what may be used while it is validated; forget the rest" }),
    "dry-run": Flags.boolean({ summary: "say what would go, forget nothing" }),
    "fail-if-none": Flags.boolean({ summary: "exit 3 if nothing was stored" }),
    yes: Flags.boolean({ char: "y", summary: "do not ask" }),
    confirm: Flags.string({ summary: "the target's name, for everything without a question", helpValue: "TARGET" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Purge);
    const config = await this.settings(flags);
    const requests = requestsOf(args.urls ?? [], flags);
    if (flags["dry-run"]) return this.#dryRun(requests, config, flags);
    this.checkWritable(config);
    await this.#confirm(requests, config, flags);
    const http = new HttpCache(await this.openForWriting(flags), this.io.clock);
    const total: PurgeReport = { deleted: 0, softened: 0, pending: false };
    for (const request of requests) {
      if (this.signal.aborted) break;
      const { deleted, softened, pending } = await http.purge(request, { soft: flags.soft, signal: this.signal });
      total.deleted += deleted;
      total.softened += softened;
      total.pending ||= pending;
    }
    await this.#report(total, config, flags);
  }

  async #report({ deleted, softened, pending }: PurgeReport, config: ResolvedConfig, flags: PurgeFlags): Promise<void> {
    if (pending) {
      this.exitCode = EXIT.partial;
      this.out.alert(
        "the store is away: this is noted down as pending, and is made before the store is used again",
        "The same command makes sure of it when the store is back.",
      );
    }
    if (deleted + softened === 0 && flags["fail-if-none"]) this.exitCode = EXIT.miss;
    const interrupted = this.signal.aborted;
    if (interrupted) this.out.note("stopped; the same command goes on with what is left");
    const data = {
      ...origin(config),
      deleted,
      ...(flags.soft && { softened }),
      complete: !interrupted,
      ...(pending && { pending }),
    };
    await this.out.report(data, () => {
      if (this.out.quiet) return "";
      if (pending) return `pending: ${originLine(config)} is away`;
      const soft = flags.soft ? `marked ${softened} stale, ` : "";
      return `${soft}forgot ${deleted} ${deleted === 1 ? "entry" : "entries"} of ${originLine(config)}`;
    });
  }

  /** Asks what must be asked, and says no at once where nobody can be. */
  async #confirm(requests: readonly PurgeRequest[], config: ResolvedConfig, flags: PurgeFlags): Promise<void> {
    const asking = { io: this.io, out: this.out, interactive: this.interactive };
    if (requests.some(purgesEverything)) {
      const target = config.keyPrefix === "" ? targetOf(config) : config.keyPrefix.replace(/:$/, "");
      return confirmEverything(asking, { target, given: flags.confirm, verb: "purge" });
    }
    if (flags.yes || requests.every((request) => "urls" in request)) return;
    await confirmMany(asking, { verb: "purge", from: originLine(config) }, async () => {
      const sample: string[] = [];
      const { count, exact } = await this.#walk(requests, flags, (key) => {
        if (sample.length < SAMPLE) sample.push(key);
      });
      return { count, exact, sample };
    });
  }

  async #dryRun(requests: readonly PurgeRequest[], config: ResolvedConfig, flags: PurgeFlags): Promise<void> {
    const { count, exact } = await this.#walk(requests, flags, (key) =>
      this.out.record("entries", "entry", { key }, () => showKey(key)),
    );
    if (count === 0 && flags["fail-if-none"]) this.exitCode = EXIT.miss;
    const interrupted = this.signal.aborted;
    const data = { ...origin(config), dryRun: true, count, exact, ...(interrupted && { interrupted }) };
    await this.out.report(data, () => "", "entries");
    if (interrupted) this.out.note("stopped before the end: this is not all that would go");
    else if (this.out.mode === "text") {
      const entries = `${exact ? "" : "about "}${count} ${count === 1 ? "entry" : "entries"}`;
      this.out.note(`dry run: would purge ${entries} of ${originLine(config)}`);
    }
  }

  /** What would go, each once. */
  async #walk(
    requests: readonly PurgeRequest[],
    flags: PurgeFlags,
    see: (key: string) => void | Promise<void>,
  ): Promise<{ count: number; exact: boolean }> {
    const http = new HttpCache(await this.openCache(flags), this.io.clock);
    // Two requests may hold the same key.
    const distinct = new Distinct(true);
    let count = 0;
    for (const request of requests) {
      for await (const keys of http.purgeable(request, { signal: this.signal })) {
        for (const key of keys) {
          if (distinct.isRepeat(key)) continue;
          count += 1;
          await see(key);
        }
        if (this.signal.aborted) return { count, exact: false };
      }
    }
    return { count, exact: distinct.exact };
  }
}

type PurgeFlags = Interfaces.InferredFlags<typeof Purge.flags>;

/**
 * What the command line asks for, checked before anything is done.
 * @throws CacheError `empty-selector`, `invalid-arguments`, `invalid-purge`, `invalid-glob`
 */
function requestsOf(named: readonly string[], flags: PurgeFlags): PurgeRequest[] {
  const { tag: tags, prefix: prefixes = [] } = flags;
  if (flags["all-tags"] && !tags) {
    throw new CacheError("usage", "invalid-arguments", "--all-tags needs --tag", { hint: "Name the tags with --tag." });
  }
  const urls = named.filter((text) => !isGlob(text));
  const requests: PurgeRequest[] = [
    ...(urls.length > 0 ? [{ urls }] : []),
    ...named.filter(isGlob).map((match) => ({ match })),
    ...prefixes.map((prefix) => ({ prefix })),
    ...(tags ? [{ tags, ...(flags["all-tags"] && { tagMode: "all" as const }) }] : []),
  ];
  if (requests.length === 0) {
    throw new CacheError("usage", "empty-selector", "nothing says what to purge", {
      hint: "Name URLs, globs, a --prefix or a --tag.",
    });
  }
  for (const request of requests) planPurge(request);
  return requests;
}
