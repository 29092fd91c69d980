import type { Interfaces } from "@oclif/core";
import type { EntryInfo } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import { CacheCommand } from "../cli/base-command.js";
import { countFlag, Flags, nullFlag, rateFlag, sizeFlag } from "../cli/flags.js";
import { keyHeader, keyRow, keyTsv } from "../cli/render/keys.js";
import { entrySource } from "../cli/screen/entry-source.js";
import { checkTypes, filterFromFlags, keyAsJson, orAll, selectionFlags, typeFlag } from "../cli/selection.js";
import { origin, originLine } from "../cli/target.js";
import { untilStopped } from "../cli/until-stopped.js";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { keyToBytes, showKey } from "../key.js";
import type { Selector } from "../selector.js";

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
    "<%= config.bin %> keys -i",
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
    interactive: Flags.boolean({ char: "i", summary: "search and choose on the terminal; what was chosen is listed" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Keys);
    const named = orAll({
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
    if (flags.interactive) this.#checkInteractive(flags);
    const cache = await this.openCache(flags);
    const selector = flags.interactive ? await this.#choose(cache, config, flags.type) : named;
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
    const bare = flags.interactive && !table;
    for await (const page of untilStopped(scan, this.signal)) {
      cursor = page.cursor;
      count += page.entries.length;
      for (const entry of page.entries) await this.#entry(entry, cache.clock.now(), { table, bare, raw: flags.null });
    }
    const interrupted = this.signal.aborted;
    const more = { ...(cursor !== undefined && { cursor }), ...(interrupted && { interrupted }) };
    await this.out.report({ ...from, count, ...more }, () => "", "entries");
    if (interrupted)
      this.out.note(cursor === undefined ? "stopped at the end" : `stopped; go on with --cursor ${cursor}`);
    else if (this.out.mode === "text" && cursor !== undefined) this.out.note(`more: --cursor ${cursor}`);
  }

  #checkInteractive(flags: KeysFlags): void {
    if (!this.hasScreen) {
      throw new CacheError("usage", "needs-terminal", "nobody is there to choose: -i needs a terminal", {
        hint: "Say which keys: --prefix, --match or --tag.",
      });
    }
    const other = NOT_INTERACTIVE.find((name) => flags[name] !== undefined && flags[name] !== false);
    if (other === undefined) return;
    throw new CacheError("usage", "conflicting-flags", `-i asks which keys, --${other} says it`, {
      hint: "Leave out one of them.",
    });
  }

  async #choose(cache: Cache, config: ResolvedConfig, types: string[] | undefined): Promise<Selector> {
    const { askEntries } = await import("../cli/prompts.js");
    const chosen = await askEntries(this.io, this.out.errStyle, {
      message: "Which keys?",
      from: originLine(config),
      source: entrySource(cache),
      ...(types && { types }),
    });
    return types ? { ...chosen, types } : chosen;
  }

  async #entry(entry: EntryInfo, now: number, { table, bare, raw }: Form): Promise<void> {
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
    const line = () => (bare ? showKey(entry.key) : (table ? keyRow : keyTsv)({ ...data, key: entry.key }));
    await this.out.record("entries", "entry", data, line);
  }
}

type KeysFlags = Interfaces.InferredFlags<typeof Keys.flags>;

interface Form {
  /** For a person. */
  table: boolean;
  /** The key alone, for what comes next in a pipe. */
  bare: boolean;
  /** Its own bytes. */
  raw: boolean;
}

const NOT_INTERACTIVE = [
  "prefix",
  "match",
  "tag",
  "no-ttl",
  "larger-than",
  "limit",
  "cursor",
  "rate",
  "count",
] as const satisfies (keyof KeysFlags)[];
