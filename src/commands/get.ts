import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Interfaces } from "@oclif/core";
import type { Stored } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { binaryKeysFlag, countFlag, Flags, nullFlag, severalArg } from "../cli/flags.js";
import { pickPath, RawJson, valueAsJson } from "../cli/json-text.js";
import { metaLines, metaOf } from "../cli/render/entry.js";
import { escapeLine, valueForTerminal } from "../cli/render/value.js";
import { keyAsJson, keysFrom } from "../cli/selection.js";
import { origin } from "../cli/target.js";
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
    output: Flags.string({ char: "o", summary: "write the value's bytes to a file", helpValue: "FILE" }),
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
    if (keys.length === 0)
      throw new CacheError("usage", "invalid-arguments", "KEYS are missing", { hint: "Name a key." });
    if (keys.length > 1) this.#checkSeveral(flags);
    const cache = await this.openCache(flags);
    const { peek, meta } = flags;
    const entries = await cache.readMany(keys, { peek, want: meta ? "all" : "value", signal: this.signal });
    const results: Result[] = [];
    for (const [i, key] of keys.entries()) results.push(await this.#result(cache, key, entries[i], flags));
    if (results.some(({ found }) => !found)) this.exitCode = EXIT.miss;
    if (this.out.mode !== "text") return this.#json(results, origin(config));
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
      if (foreign) return { key, found: true, foreign };
      return { key, found: false, reason: await cache.whyMissing(key, { signal: this.signal }) };
    }
    const meta = flags.meta ? { meta: metaOf(entry, cache) } : {};
    if (flags.path === undefined) return { key, found: true, bytes: entry.value, ...meta };
    const picked = pickPath(textOf(entry.value) ?? "", flags.path);
    if (picked === undefined) return { key, found: false, reason: `nothing at ${flags.path}` };
    return { key, found: true, picked, ...meta };
  }

  async #json(results: readonly Result[], from: object): Promise<void> {
    const found = results.filter((result) => result.found).length;
    const shown = results.map(resultAsJson);
    if (this.out.mode === "json" && shown.length === 1) return this.out.report({ ...from, ...shown[0] }, () => "");
    for (const result of shown) await this.out.record("entries", "entry", result, () => "");
    await this.out.report({ ...from, found, missing: results.length - found }, () => "", "entries");
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
    const bytes = bytesOf(result);
    if (flags.output !== undefined) {
      await writeFile(resolve(this.io.cwd, flags.output), bytes, { mode: 0o600 });
      out.note(`${bytes.byteLength} bytes written to ${escapeLine(flags.output)}`);
    } else if (out.terminal && !flags.null) await out.write(`${valueForTerminal(bytes)}\n`);
    else {
      await out.write(bytes);
      if (flags.null) await out.write("\0");
    }
  }
}

type GetFlags = Interfaces.InferredFlags<typeof Get.flags>;

interface Result {
  key: string;
  found: boolean;
  reason?: string;
  bytes?: Uint8Array;
  /** Source text of what `--path` names. */
  picked?: string;
  foreign?: { type: string; items: unknown[]; truncated: boolean };
  meta?: Readonly<Record<string, unknown>>;
}

function resultAsJson(result: Result): Record<string, unknown> {
  const { bytes, picked, foreign, meta, found, reason } = result;
  const head = { ...keyAsJson(result.key), found, ...(reason !== undefined && { reason }), ...meta };
  if (foreign) return { ...head, type: foreign.type, truncated: foreign.truncated, value: foreign.items };
  if (picked !== undefined) return { ...head, value: new RawJson(picked) };
  return bytes ? { ...head, value: valueAsJson(bytes) } : head;
}

/** What text output shows: a picked JSON string without its quotes, the elements of another type as JSON lines. */
function bytesOf({ bytes, picked, foreign }: Result): Uint8Array {
  if (bytes) return bytes;
  if (foreign) return Buffer.from(`${foreign.items.map((item) => JSON.stringify(item)).join("\n")}\n`);
  const text = picked ?? "";
  return Buffer.from(text.startsWith('"') ? String(JSON.parse(text)) : text);
}
