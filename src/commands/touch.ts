import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { binaryKeysFlag, severalArg, ttlFlag } from "../cli/flags.js";
import { ttlText } from "../cli/render/entry.js";
import { keyAsJson, keysFrom, requireKeys } from "../cli/selection.js";
import { origin } from "../cli/target.js";
import { CacheError } from "../errors.js";
import { showKey } from "../key.js";

export default class Touch extends CacheCommand {
  static override summary = "Give keys a new TTL without rewriting their values.";
  static override description = "Exits 3 if one of the keys is not there.";
  static override examples = [
    "<%= config.bin %> touch product:1 --ttl 10m",
    "<%= config.bin %> touch product:1 product:2 --ttl none",
  ];
  static override args = { keys: severalArg({ description: "the keys" }) };
  static override flags = {
    ttl: ttlFlag("ttl", { summary: "the new time to live, from now" }, ["none"]),
    "key-base64": binaryKeysFlag(),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Touch);
    const keys = keysFrom(args.keys, flags["key-base64"]);
    const config = await this.settings(flags);
    requireKeys(keys);
    if (flags.ttl === undefined) {
      throw new CacheError("usage", "invalid-arguments", "--ttl is missing", { hint: "Say --ttl 10m, or --ttl none." });
    }
    const cache = await this.openForWriting(flags);
    const ttl = typeof flags.ttl === "number" ? flags.ttl : null;
    const done = await cache.touchMany(keys, ttl, { signal: this.signal });
    const pending = this.pending();
    const where = pending.pending ? ` in ${this.takenBy(config)}` : "";
    for (const [i, key] of keys.entries()) {
      const touched = done[i] === true;
      await this.out.record("entries", "entry", { ...keyAsJson(key), touched, ...(touched && { ttl }) }, () =>
        touched ? `${showKey(key)} expires: ${ttlText(ttl ?? undefined)}${where}` : `${showKey(key)} is not there`,
      );
    }
    const touched = done.filter(Boolean).length;
    if (touched < keys.length) this.exitCode = EXIT.miss;
    await this.out.report(
      { ...origin(config), touched, missing: keys.length - touched, ...pending },
      () => "",
      "entries",
    );
  }
}
