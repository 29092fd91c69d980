import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CacheCommand } from "../../cli/base-command.js";
import { Flags } from "../../cli/flags.js";
import { CONFIG_FILE_NAME } from "../../config/files.js";
import { CacheError, codeOf } from "../../errors.js";

const EXAMPLE = {
  store: "sqlite:./.cache/dev.db",
  cacheTtl: "1h",
  profiles: {
    dev: { store: "sqlite:./.cache/dev.db", cacheTtl: "5m", namespace: "dev" },
    staging: { store: "redis://127.0.0.1:6379/1", cacheTtl: "30m", namespace: "staging" },
    prod: { store: "redis://127.0.0.1:6379/0", cacheTtl: "1h", namespace: "prod", readOnly: true },
  },
};

export default class ConfigInit extends CacheCommand {
  static override summary = `Write an example ${CONFIG_FILE_NAME} with the profiles dev, staging and prod.`;
  static override description =
    "In the working directory, mode 0600. A file that is there is left alone unless --force is given. cache info --profile NAME shows what a profile makes of the settings.";
  static override examples = ["<%= config.bin %> config init"];
  static override flags = { force: Flags.boolean({ summary: "replace the file that is there" }) };

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigInit);
    const path = join(this.io.cwd, CONFIG_FILE_NAME);
    try {
      await writeFile(path, `${JSON.stringify(EXAMPLE, null, 2)}\n`, { mode: 0o600, flag: flags.force ? "w" : "wx" });
    } catch (error) {
      const there = codeOf(error) === "EEXIST";
      throw new CacheError(
        "usage",
        "config-exists",
        there ? `${path} is there already` : `${path} can't be written (${codeOf(error)})`,
        {
          cause: error,
          hint: there ? "Use --force to replace it." : "Check the folder's permissions.",
        },
      );
    }
    await this.out.report({ path, profiles: Object.keys(EXAMPLE.profiles) }, () =>
      [`wrote ${path}`, "try: cache info --profile dev"].join("\n"),
    );
  }
}
