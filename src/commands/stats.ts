import type { Interfaces } from "@oclif/core";
import type { BackendInfo } from "../backends/backend.js";
import type { CacheStats } from "../cache/cache.js";
import { Readings } from "../cache/readings.js";
import { groupByPrefix, type TopBy, topEntries } from "../cache/survey.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { countFlag, durationFlag, Flags, percentFlag } from "../cli/flags.js";
import { groupsTable, hitRateOf, statsTable, tiersTable, topTable } from "../cli/render/stats.js";
import { filterFromFlags, keyAsJson, orAll, selectionFlags } from "../cli/selection.js";
import { origin, originLine } from "../cli/target.js";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";

/** What is counted of each store, with what it says of itself. */
function tiersOf({ store, counters, hitRate, info, tiers }: CacheStats) {
  const alone = [{ name: store, counters, hitRate: hitRate ?? null, info }];
  const each = tiers?.map((tier) => ({
    name: tier.name,
    counters: tier.counters,
    hitRate: hitRateOf(tier.counters) ?? null,
    info: info.tiers?.find(({ name }) => name === tier.name),
  }));
  return (each ?? alone).map(({ name, counters: counted, hitRate: rate, info: about }) => ({
    name,
    ...counted,
    hitRate: rate,
    connected: isConnected(about),
    ...(about?.entries !== undefined && { entries: about.entries }),
    ...(about?.bytes !== undefined && { bytes: about.bytes }),
    facts: about?.facts ?? {},
  }));
}

/** What stands in for a store that is away answers for it. */
function isConnected(info: BackendInfo | undefined): boolean {
  return info?.resilience?.connected ?? true;
}

/** Milliseconds. */
const DEFAULT_INTERVAL = 1000;

export default class Stats extends CacheCommand {
  static override summary = "Show hits, misses, hit rate, sizes and errors of the store.";
  static override description =
    "Hits and misses are counted per namespace, over all processes. On Redis without a namespace nothing is counted there: the server's own figures are shown, about all its clients. Of several stores each has its own line; with --fallback the breaker, retries and what is pending are shown.";
  static override examples = [
    "<%= config.bin %> stats",
    "<%= config.bin %> stats --group-by prefix",
    "<%= config.bin %> stats --top 10 --by size",
    "<%= config.bin %> stats --watch",
    "<%= config.bin %> stats --watch --interval 10s >> stats.ndjson",
    "<%= config.bin %> stats --fail-below-hit-rate 80 --min-requests 1000",
  ];
  static override flags = {
    "group-by": Flags.string({
      summary: "entries and bytes by the part of the key before the first :",
      options: ["prefix"],
    }),
    top: countFlag("top", { summary: "the N first entries by --by", max: 10_000 }),
    by: Flags.string({
      summary: "what --top goes by: largest, oldest, or next to expire [default: size]",
      options: ["size", "age", "ttl"],
    }),
    prefix: selectionFlags.prefix,
    "fail-below-hit-rate": percentFlag("fail-below-hit-rate", { summary: "exit 3 if the hit rate is lower" }),
    "min-requests": countFlag("min-requests", {
      summary: "with fewer lookups --fail-below-hit-rate passes, with a warning",
    }),
    reset: Flags.boolean({ summary: "set the counters back to zero" }),
    watch: Flags.boolean({ summary: "live: a screen on a terminal, NDJSON elsewhere" }),
    interval: durationFlag("interval", { summary: "time between two looks of --watch [default: 1s]", min: 100 }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Stats);
    const config = await this.settings(flags);
    if (flags.by !== undefined && flags.top === undefined) {
      throw new CacheError("usage", "invalid-arguments", "--by needs --top", { hint: "Say how many: --top 10." });
    }
    if (flags.prefix !== undefined && flags.top === undefined && flags["group-by"] === undefined) {
      throw new CacheError("usage", "invalid-arguments", "--prefix needs --group-by or --top", {
        hint: "The counters are those of the whole namespace: choose that with --namespace.",
      });
    }
    if (flags["min-requests"] !== undefined && flags["fail-below-hit-rate"] === undefined) {
      throw new CacheError("usage", "invalid-arguments", "--min-requests needs --fail-below-hit-rate", {
        hint: "Say the rate: --fail-below-hit-rate 80.",
      });
    }
    checkWatch(flags);
    if (flags.watch) return this.#watch(flags, config);
    const cache = await (flags.reset ? this.openForWriting(flags) : this.openCache(flags));
    const from = origin(config);
    if (flags.reset) {
      await cache.resetStats();
      return this.out.report({ ...from, reset: true }, () =>
        this.out.quiet ? "" : `counters of ${originLine(config)} set to zero`,
      );
    }
    const stats = await cache.stats();
    const { counters, source, hitRate, info } = stats;
    const selector = orAll(filterFromFlags({ prefix: flags.prefix }));
    const call = { signal: this.signal };
    const groups = flags["group-by"] ? await groupByPrefix(cache, selector, call) : undefined;
    const by: TopBy = flags.by === "age" || flags.by === "ttl" ? flags.by : "size";
    const top =
      flags.top === undefined ? undefined : await topEntries(cache, selector, { ...call, by, limit: flags.top });
    const lookups = (counters.hits ?? 0) + (counters.misses ?? 0);
    const operations = lookups + (counters.sets ?? 0) + (counters.deletes ?? 0);
    const errorRate = operations === 0 ? 0 : (counters.errors ?? 0) / operations;
    await this.out.report(
      {
        ...from,
        connected: isConnected(info),
        source,
        ...counters,
        hitRate: hitRate ?? null,
        errorRate,
        ...(info.entries !== undefined && { entries: info.entries }),
        ...(info.bytes !== undefined && { bytes: info.bytes }),
        tiers: Object.fromEntries(tiersOf(stats).map(({ name, ...tier }) => [name, tier])),
        ...(info.resilience && { resilience: info.resilience }),
        ...(groups && { groups }),
        ...(top && { top: top.map(({ key, ...rest }) => ({ ...keyAsJson(key), ...rest })) }),
      },
      () =>
        [
          statsTable(stats, errorRate, this.readFrom(config), this.out.style),
          ...(stats.tiers ? [tiersTable(stats.tiers, this.out.style)] : []),
          ...(groups ? [groupsTable(groups, this.out.style)] : []),
          ...(top ? [topTable(top, by, cache.clock.now(), this.out.style)] : []),
        ].join("\n"),
    );
    for (const warning of info.warnings) this.out.warn(warning);
    this.#threshold(flags["fail-below-hit-rate"], flags["min-requests"] ?? 1, lookups, hitRate);
  }

  /** A screen on a terminal that can be one, else lines, until somebody has enough. */
  async #watch(flags: StatsFlags, config: ResolvedConfig): Promise<void> {
    const cache = await this.openCache(flags);
    const { watchStats } = await import("../cli/watch-stats.js");
    const interrupted = await watchStats({
      io: this.io,
      out: this.out,
      signal: this.signal,
      config,
      interval: flags.interval ?? DEFAULT_INTERVAL,
      open: (signal) => {
        const counters = async () => ({ store: cache.backend.name, ...(await cache.counters({ signal })) });
        const readings = new Readings(counters, () => cache.stats({ signal }), cache.clock);
        return {
          take: () => readings.take(),
          survey: (bounds) => groupByPrefix(cache, { all: true }, { ...bounds, signal }),
        };
      },
    });
    if (interrupted) this.exitCode = EXIT.interrupted;
  }

  #threshold(percent: number | undefined, needed: number, lookups: number, hitRate: number | undefined): void {
    if (percent === undefined) return;
    if (lookups < needed || hitRate === undefined) {
      this.out.warn(`${lookups} lookups are too few to judge the hit rate`, `At least ${needed} are needed.`);
    } else if (hitRate * 100 < percent) {
      this.exitCode = EXIT.miss;
      this.out.note(`the hit rate of ${(hitRate * 100).toFixed(1)}% is below ${percent}%`);
    }
  }
}

type StatsFlags = Interfaces.InferredFlags<typeof Stats.flags>;

/** @throws CacheError where `--watch` is asked for what is said once, or `--interval` alone */
function checkWatch(flags: StatsFlags): void {
  if (!flags.watch) {
    if (flags.interval === undefined) return;
    throw new CacheError("usage", "invalid-arguments", "--interval needs --watch", { hint: "Say --watch as well." });
  }
  const once = (["group-by", "top", "fail-below-hit-rate", "reset"] as const).find(
    (name) => flags[name] !== undefined && flags[name] !== false,
  );
  if (once === undefined) return;
  throw new CacheError("usage", "conflicting-flags", `--watch goes on and on, --${once} is done once`, {
    hint: "Leave out one of them.",
  });
}
