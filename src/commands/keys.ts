import type { EntryInfo } from "../backends/backend.js";
import { CacheCommand } from "../cli/base-command.js";
import { countFlag, Flags, nullFlag, rateFlag, sizeFlag } from "../cli/flags.js";
import { keyHeader, keyRow, keyTsv } from "../cli/render/keys.js";
import { checkTypes, filterFromFlags, keyAsJson, orAll, selectionFlags, typeFlag } from "../cli/selection.js";
import { origin, originLine } from "../cli/target.js";
import { untilStopped } from "../cli/until-stopped.js";
import { CacheError } from "../errors.js";
import { keyToBytes } from "../key.js";

/** Ends a key where a line feed may be part of one. */
const NUL = Buffer.alloc(1);

export default class Keys extends CacheCommand {
  static override summary = "List keys with TTL, size, age and tags.";
  static override description =
    "On a terminal a table; elsewhere a line a key, with tabs: key, TTL in milliseconds, size in bytes, age in milliseconds, tags, type. Reads a store in steps, never all at once (on Redis SCAN, never KEYS).";
  static override examples = [
    "<%= config.bin %> keys",
    "<%= config.bin %> keys --prefix product: --limit 20",
    "<%= config.bin %> keys --match 'product:*:price' --json",
    "<%= config.bin %> keys --no-ttl --count",
    "<%= config.bin %> keys --tag products -0 | xargs -0 -n 1 echo",
  ];
  static override flags = {
    ...selectionFlags,
    "no-ttl": Flags.boolean({ summary: "entries that never expire" }),
    "larger-than": sizeFlag("larger-than", { summary: "entries whose value is larger" }),
    type: typeFlag(),
    limit: countFlag("limit", { summary: "keys at most" }),
    cursor: Flags.string({ summary: "go on where an earlier listing with --limit stopped", helpValue: "CURSOR" }),
    rate: rateFlag("rate", { summary: "keys a second at most" }),
    count: Flags.boolean({ summary: "only say how many" }),
    null: nullFlag({ summary: "raw keys alone, each ended by a NUL" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Keys);
    const selector = orAll({
      ...filterFromFlags(flags),
      ...(flags["no-ttl"] && { expiry: "none" as const }),
      ...(flags["larger-than"] !== undefined && { minSize: flags["larger-than"] + 1 }),
    });
    const config = await this.settings(flags);
    checkTypes(flags, config);
    if (flags.count && (flags.limit !== undefined || flags.cursor !== undefined)) {
      throw new CacheError("usage", "conflicting-flags", "--count counts all, --limit and --cursor list a part", {
        hint: "Leave out one of them.",
      });
    }
    const cache = await this.openCache(flags);
    const from = origin(config);
    if (flags.count) {
      const { count, exact } = await cache.countWhere(selector, {
        signal: this.signal,
        ...(flags.rate !== undefined && { rate: flags.rate }),
      });
      return this.out.report({ ...from, count, exact }, () => `${exact ? "" : "about "}${count}`);
    }
    const table = this.out.mode === "text" && this.out.terminal && !flags.null;
    if (table) this.out.note(this.out.errStyle.dim(originLine(config)));
    const scan = cache.scan(selector, {
      fields: flags.null && this.out.mode === "text" ? "key" : "all",
      signal: this.signal,
      ...(flags.limit !== undefined && { limit: flags.limit }),
      ...(flags.cursor !== undefined && { cursor: flags.cursor }),
      ...(flags.rate !== undefined && { rate: flags.rate }),
    });
    let count = 0;
    let cursor = flags.cursor;
    if (table) await this.out.write(`${this.out.style.bold(keyHeader())}\n`);
    for await (const page of untilStopped(scan, this.signal)) {
      cursor = page.cursor;
      count += page.entries.length;
      for (const entry of page.entries) await this.#entry(entry, cache.clock.now(), table, flags.null);
    }
    const interrupted = this.signal.aborted;
    const more = { ...(cursor !== undefined && { cursor }), ...(interrupted && { interrupted }) };
    await this.out.report({ ...from, count, ...more }, () => "", "entries");
    if (interrupted)
      this.out.note(cursor === undefined ? "stopped at the end" : `stopped; go on with --cursor ${cursor}`);
    else if (this.out.mode === "text" && cursor !== undefined) this.out.note(`more: --cursor ${cursor}`);
  }

  async #entry(entry: EntryInfo, now: number, table: boolean, raw: boolean): Promise<void> {
    if (raw && this.out.mode === "text") return this.out.write(Buffer.concat([keyToBytes(entry.key), NUL]));
    const { ttl, age } = {
      ttl: entry.expiresAt === undefined ? null : Math.max(0, entry.expiresAt - now),
      age: entry.createdAt === undefined ? undefined : Math.max(0, now - entry.createdAt),
    };
    const data = {
      ...keyAsJson(entry.key),
      ttl,
      ...(entry.size !== undefined && { size: entry.size }),
      ...(age !== undefined && { age }),
      tags: entry.tags ?? [],
      valueType: entry.type ?? "string",
    };
    await this.out.record("entries", "entry", data, () => (table ? keyRow : keyTsv)({ ...data, key: entry.key }));
  }
}
