import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { binaryKeysFlag, severalArg } from "../cli/flags.js";
import { keyAsJson, keysFrom, requireKeys } from "../cli/selection.js";
import { origin } from "../cli/target.js";
import { showKey } from "../key.js";

export default class Exists extends CacheCommand {
  static override summary = "Say whether keys are there: exit 0 if all are, 3 if one is not.";
  static override description = "Counts no hit and no miss.";
  static override examples = [
    "<%= config.bin %> exists product:1",
    "<%= config.bin %> exists product:1 product:2 --json",
  ];
  static override args = { keys: severalArg({ description: "the keys to look up" }) };
  static override flags = { "key-base64": binaryKeysFlag() };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Exists);
    const keys = keysFrom(args.keys, flags["key-base64"]);
    const config = await this.settings(flags);
    requireKeys(keys);
    const cache = await this.openCache(flags);
    const entries = await cache.readMany(keys, { peek: true, signal: this.signal });
    let missing = 0;
    for (const [i, key] of keys.entries()) {
      const exists = entries[i] !== undefined || (await cache.readForeign(key, 1)) !== undefined;
      if (!exists) missing += 1;
      await this.out.record(
        "entries",
        "entry",
        { ...keyAsJson(key), exists },
        () => `${exists ? "yes" : "no"}\t${showKey(key)}`,
      );
    }
    if (missing > 0) this.exitCode = EXIT.miss;
    await this.out.report({ ...origin(config), found: keys.length - missing, missing }, () => "", "entries");
  }
}
