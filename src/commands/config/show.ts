import { CacheCommand } from "../../cli/base-command.js";
import { table } from "../../cli/render/table.js";
import { origin, originLine } from "../../cli/target.js";
import { showSetting } from "../../config/load.js";
import { settingNamesOf, settingSpec } from "../../config/settings.js";

export default class ConfigShow extends CacheCommand {
  static override summary = "Show the settings in force and where each comes from; asks no store.";
  static override description =
    "Flags beat variables, variables the project's config file, that one the user's, and all of them the defaults. Secrets are masked.";
  static override examples = ["<%= config.bin %> config show", "<%= config.bin %> config show --json"];

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigShow);
    const config = await this.settings(flags);
    const rows = settingNamesOf().flatMap((name) => {
      const setting = settingSpec(name).invocation ? undefined : config.settings[name];
      return setting ? [{ name, value: showSetting(name, setting.value), source: setting.source.where }] : [];
    });
    const profiles = config.files.flatMap((file) => Object.keys(file.profiles));
    const files = config.files.map((file) => file.path);
    await this.out.report({ ...origin(config), settings: rows, files, profiles }, () =>
      [
        `store: ${originLine(config)} (${config.storeSource.where})`,
        table(
          ["SETTING", "VALUE", "FROM"],
          rows.map(({ name, value, source }) => [name, value, source]),
          this.out.style,
        ),
        ...(files.length > 0 ? [`files: ${files.join(", ")}`] : []),
        ...(profiles.length > 0 ? [`profiles: ${profiles.join(", ")}`] : []),
      ].join("\n"),
    );
  }
}
