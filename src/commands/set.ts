import type { SetMode } from "../backends/backend.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { Flags, keyArg, optionalArg, repeatedFlag, ttlFlag } from "../cli/flags.js";
import { readBytes, readStdin } from "../cli/input.js";
import { ttlText } from "../cli/render/entry.js";
import { origin } from "../cli/target.js";
import { CacheError } from "../errors.js";
import { showKey } from "../key.js";
import { formatSize } from "../units.js";

export default class SetValue extends CacheCommand {
  static override summary = "Store a value under a key, as the bytes given.";
  static override description =
    "The default TTL is for new keys; a key that is there keeps its deadline unless --ttl says otherwise. Tags are those given: none given, none kept.";
  static override examples = [
    "<%= config.bin %> set greeting 'good morning'",
    '<%= config.bin %> set product:1 \'{"name":"lamp"}\' --ttl 10m --tag products',
    "<%= config.bin %> set logo.png --file logo.png",
    "echo 42 | <%= config.bin %> set answer -",
  ];
  static override args = {
    key: keyArg({ description: "the key" }),
    value: optionalArg({ description: "the value, - for standard input" }),
  };
  static override flags = {
    file: Flags.string({
      char: "f",
      summary: "take the value's bytes from a file, - for standard input",
      helpValue: "FILE",
    }),
    ttl: ttlFlag("ttl", { summary: "time to live; keep: the deadline that the key has" }, ["keep", "none"]),
    tag: repeatedFlag({ summary: "a tag of the entry (repeatable)", helpValue: "TAG" }),
    compress: Flags.boolean({ summary: "compress the value if it shrinks: as --compression says, else with brotli" }),
    "if-absent": Flags.boolean({ summary: "only if the key is not there; else exit 3", exclusive: ["if-present"] }),
    "if-present": Flags.boolean({ summary: "only if the key is there; else exit 3" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SetValue);
    const config = await this.settings(flags.compress ? { compression: "brotli", ...flags } : flags);
    const value = await this.#value(args.value, flags.file);
    const cache = await this.openForWriting(flags);
    const mode: SetMode = flags["if-absent"] ? "if-absent" : flags["if-present"] ? "if-present" : "always";
    const ttl = flags.ttl === "keep" ? undefined : flags.ttl === "none" ? null : flags.ttl;
    const kept = ttl === undefined && (await cache.has(args.key, { signal: this.signal }));
    const [outcome] = await cache.writeMany([{ key: args.key, value, ttl, tags: flags.tag }], {
      mode,
      signal: this.signal,
    });
    if (outcome === "other-type") {
      const message = `${showKey(args.key)} holds another Redis type than a string, and is left as it is`;
      throw new CacheError("store", "wrong-type", message, {
        key: args.key,
        hint: "See it with cache get; delete it with cache invalidate KEY --type any.",
      });
    }
    if (outcome === "rejected") {
      throw new CacheError(
        "store",
        "too-large",
        `a value of ${formatSize(value.byteLength)} is larger than the store's bounds`,
        {
          key: args.key,
          hint: "Raise --max-bytes, or maxBytes in the store's URL.",
        },
      );
    }
    const stored = outcome === "stored";
    if (!stored) this.exitCode = EXIT.miss;
    const [entry] = stored ? await cache.readMany([args.key], { want: "expiry", peek: true, signal: this.signal }) : [];
    // It can have expired by now.
    const expiresAt = entry ? entry.expiresAt : 0;
    const left = expiresAt === undefined ? undefined : Math.max(0, expiresAt - cache.clock.now());
    const data = {
      ...origin(config),
      key: args.key,
      stored,
      size: value.byteLength,
      ...(stored && { ttl: left ?? null, ttlKept: kept }),
      ...this.pending(),
    };
    await this.out.report(data, () => {
      if (this.out.quiet) return "";
      if (!stored) return `not stored: ${showKey(args.key)} is ${flags["if-absent"] ? "there already" : "not there"}`;
      const expires = `expires: ${ttlText(left)}${kept ? " as before" : ""}`;
      return `stored ${showKey(args.key)} (${formatSize(value.byteLength)}, ${expires}) in ${this.takenBy(config)}`;
    });
  }

  async #value(text: string | undefined, file: string | undefined): Promise<Uint8Array> {
    if (file !== undefined && text !== undefined) {
      throw new CacheError("usage", "invalid-arguments", "the value is given twice, as an argument and with --file", {
        hint: "Leave out one of them.",
      });
    }
    if (file !== undefined) return readBytes(this.io, file, this.signal);
    if (text === "-") return readStdin(this.io, this.signal);
    if (text !== undefined) return Buffer.from(text);
    throw new CacheError("usage", "invalid-arguments", "VALUE is missing", {
      hint: "Give it as an argument, as - for standard input, or with --file.",
    });
  }
}
