import { resolve } from "node:path";
import { CacheCommand } from "../../cli/base-command.js";
import { optionalArg } from "../../cli/flags.js";
import { readConfigFile } from "../../config/files.js";
import { checkConfigValues } from "../../config/load.js";

export default class ConfigValidate extends CacheCommand {
  static override summary = "Check a config file, and every profile in it; exit 2 if something can't be right.";
  static override description =
    "Looks at all settings of all profiles, in force or not: names, types, units, URLs and limits. A mistake is named with its place. No store is asked.";
  static override examples = [
    "<%= config.bin %> config validate",
    "<%= config.bin %> config validate cache.config.json",
  ];
  static override args = { file: optionalArg({ description: "the file; without it the ones that are in force" }) };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ConfigValidate);
    const { cwd, env } = this.io;
    const files =
      args.file === undefined
        ? (await this.settings(flags)).files
        : [await readConfigFile(resolve(cwd, args.file), "project")];
    for (const file of files) checkConfigValues(file, env);
    return this.#valid(
      files.map((file) => file.path),
      files.flatMap((file) => Object.keys(file.profiles)),
    );
  }

  async #valid(files: readonly string[], profiles: readonly string[]): Promise<void> {
    await this.out.report({ valid: true, files, profiles }, () => {
      if (files.length === 0) return "no config file from here upwards, and none of the user's: nothing to check";
      return `${files.join(", ")}: valid${profiles.length > 0 ? `, profiles ${profiles.join(", ")}` : ""}`;
    });
  }
}
