import { resolve } from "node:path";
import type { Interfaces } from "@oclif/core";
import type { Stored } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { binaryKeysFlag, countFlag, Flags, nullFlag, severalArg } from "../cli/flags.js";
import { writeBytes } from "../cli/input.js";
import { pickPath } from "../cli/json-text.js";
import { metaLines, metaOf, metaOfForeign } from "../cli/render/entry.js";
import { bytesOf, foreignLine, type Result, resultAsJson, savedAsJson } from "../cli/render/result.js";
import { escapeLine, valueForTerminal } from "../cli/render/value.js";
import { keysFrom, requireKeys } from "../cli/selection.js";
import { decidingTier, origin, refuseStoreFile } from "../cli/target.js";
import { CacheError } from "../errors.js";
import { showKey } from "../key.js";
import { textOf } from "../utf8.js";

export default class Get extends CacheCommand {
  static override summary = "Show the value of one or more keys.";
  static override description =
    "Off a terminal the stored bytes are written as they are, without a newline. A miss exits 3. With --json a value that is JSON is itself, any other text is a string, and binary is base64.";
  static override examples = [
    "<%= config.bin %> get product:1",
    "<%= config.bin %> get product:1 --path price.amount",
    "<%= config.bin %> get product:1 --meta --json",
    "<%= config.bin %> get logo.png --output logo.png",
  ];
  static override args = { keys: severalArg({ description: "the keys to look up" }) };
  static override flags = {
    path: Flags.string({ summary: "pick inside a JSON value: a.b[0]", helpValue: "PATH" }),
    meta: Flags.boolean({ summary: "add TTL left, age, size, tags, tier, encoding and type" }),
    peek: Flags.boolean({ summary: "count nothing and move no recency, where the store can" }),
    output: Flags.string({
      char: "o",
      summary: "write the value's bytes to a file, - for standard output",
      helpValue: "FILE",
    }),
    null: nullFlag({ summary: "end each value with a NUL instead of nothing" }),
    limit: countFlag("limit", {
      summary: "elements shown of a Redis hash, list, set, sorted set or stream [default: 100]",
    }),
    "key-base64": binaryKeysFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Get);
    const keys = keysFrom(args.keys, flags["key-base64"]);
    const config = await this.settings(flags);
    requireKeys(keys);
    if (keys.length > 1) this.#checkSeveral(flags);
    if (flags.output === "-" && this.out.mode !== "text") {
      throw new CacheError("usage", "conflicting-flags", "--output - and JSON both want standard output", {
        hint: "Leave out one of them.",
      });
    }
    if (flags.output !== undefined) refuseStoreFile(config, resolve(this.io.cwd, flags.output), "--output");
    // A lookup is counted, also the first one, for which there may be no store yet.
    const cache = await this.openCache(flags, flags.peek ? "read" : "write");
    const { peek, meta } = flags;
    const entries = await cache.readMany(keys, { peek, want: meta ? "all" : "value", signal: this.signal });
    const results: Result[] = [];
    for (const [i, key] of keys.entries()) results.push(await this.#result(cache, key, entries[i], flags));
    if (results.some(({ found }) => !found)) this.exitCode = EXIT.miss;
    if (this.out.mode !== "text") return this.#json(results, origin(config), flags.output);
    for (const result of results) await this.#text(result, flags, results.length > 1);
  }

  #checkSeveral(flags: GetFlags): void {
    const refuse = (message: string, hint: string) => new CacheError("usage", "several-keys", message, { hint });
    if (flags.output !== undefined) throw refuse("--output takes the value of one key", "Use cache export for many.");
    if (!this.out.terminal && this.out.mode === "text" && !flags.null) {
      throw refuse("the bytes of several values would run together", "Use --json, --ndjson or -0.");
    }
  }

  async #result(cache: Cache, key: string, entry: Stored | undefined, flags: GetFlags): Promise<Result> {
    if (!entry) {
      const foreign = await cache.readForeign(key, flags.limit ?? 100);
      if (foreign && flags.path !== undefined) {
        throw new CacheError(
          "usage",
          "not-json",
          `${showKey(key)} is a ${foreign.type}, --path looks into JSON alone`,
          {
            key,
            hint: "Leave out --path.",
          },
        );
      }
      if (foreign)
        return { key, found: true, foreign, ...(flags.meta && { meta: await this.#foreignMeta(cache, key, flags) }) };
      return { key, found: false, reason: await cache.whyMissing(key, { signal: this.signal }) };
    }
    const meta = flags.meta ? { meta: metaOf(entry, cache.clock, await this.#tier(flags)) } : {};
    if (flags.path === undefined) return { key, found: true, bytes: entry.value, ...meta };
    const picked = pickPath(textOf(entry.value) ?? "", flags.path);
    if (picked === undefined) return { key, found: false, reason: `nothing at ${flags.path}` };
    return { key, found: true, picked, ...meta };
  }

  async #tier(flags: GetFlags): Promise<string> {
    return decidingTier(await this.settings(flags));
  }

  async #foreignMeta(cache: Cache, key: string, flags: GetFlags): Promise<Readonly<Record<string, unknown>>> {
    const tier = await this.#tier(flags);
    for await (const page of cache.scan({ keys: [key], types: ["any"] }, { fields: "all", signal: this.signal })) {
      for (const entry of page.entries) return metaOfForeign(entry, cache.clock, tier);
    }
    return {};
  }

  async #json(results: readonly Result[], from: object, output: string | undefined): Promise<void> {
    const found = results.filter((result) => result.found).length;
    if (output !== undefined) for (const result of results) if (result.found) await this.#save(result, output);
    const shown = results.map((result) => (output === undefined ? resultAsJson(result) : savedAsJson(result, output)));
    if (this.out.mode === "json" && shown.length === 1) return this.out.report({ ...from, ...shown[0] }, () => "");
    for (const result of shown) await this.out.record("entries", "entry", result, () => "");
    await this.out.report({ ...from, found, missing: results.length - found }, () => "", "entries");
  }

  async #save(result: Result, path: string): Promise<void> {
    await writeBytes(this.io, path, bytesOf(result));
  }

  async #text(result: Result, flags: GetFlags, several: boolean): Promise<void> {
    const { out } = this;
    const { key } = result;
    if (!result.found) {
      out.note(`${out.errStyle.yellow("miss:")} ${showKey(key)} (${result.reason})`);
      return;
    }
    if (several && out.terminal) await out.write(`${out.style.bold(`${showKey(key)}:`)}\n`);
    if (result.meta) out.note(metaLines(result.meta));
    if (result.foreign) out.note(foreignLine(result.foreign));
    const bytes = bytesOf(result);
    if (flags.output !== undefined && flags.output !== "-") {
      await this.#save(result, flags.output);
      out.note(`${bytes.byteLength} bytes written to ${escapeLine(flags.output)}`);
    } else if (out.terminal && !flags.null && flags.output === undefined)
      await out.write(`${valueForTerminal(bytes)}\n`);
    else {
      await out.write(bytes);
      if (flags.null) await out.write("\0");
    }
  }
}

type GetFlags = Interfaces.InferredFlags<typeof Get.flags>;
