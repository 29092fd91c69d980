import { CacheCommand } from "../cli/base-command.js";
import { type ExitCode, exitCodeOf } from "../cli/exit-codes.js";
import { Flags } from "../cli/flags.js";
import { type CheckedTier, infoText } from "../cli/render/info.js";
import { origin, originLine } from "../cli/target.js";
import { type ResolvedConfig, showSetting } from "../config/load.js";
import { environmentNames, SETTING_NAMES, settingSpec } from "../config/settings.js";
import { CacheError, messageOf } from "../errors.js";
import { availableBackends } from "../open-cache.js";

export default class Info extends CacheCommand {
  static override summary =
    "Show the backends that can be used here, the settings and where each comes from, and the server.";
  static override description =
    "--check asks the store for an answer, says how long it took, and exits 5 if there was none: for CI and probes.";
  static override examples = [
    "<%= config.bin %> info",
    "<%= config.bin %> info --check --store redis://127.0.0.1:6379",
    "<%= config.bin %> info --json",
  ];
  static override flags = {
    check: Flags.boolean({ summary: "check that the store answers, with its latency" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Info);
    const config = await this.settings(flags);
    const settings = settingsOf(config);
    const backends = await availableBackends();
    const tier = await this.#tier(config, flags);
    await this.out.report(
      { ...origin(config), healthy: tier.ok, backends, settings, fallback: "none", tiers: [tier] },
      () => infoText({ backends, settings, tier, checked: flags.check, from: originLine(config) }, this.out.style),
    );
    for (const warning of tier.warnings) this.out.warn(warning);
  }

  /** The store as it answers; its failure is a finding, and an exit code only where a check was asked for. */
  async #tier(config: ResolvedConfig, flags: { check: boolean }): Promise<CheckedTier> {
    const name = config.store.kind;
    if (name === "memory") return { name, ok: true, facts: {}, warnings: [] };
    try {
      const cache = await this.openCache({ ...flags, "read-only": true });
      const health = await cache.health();
      if (!health.ok) throw health.error;
      const info = await cache.backend.describe();
      const { entries, bytes, facts, warnings } = info;
      return {
        name,
        ok: true,
        latency: health.latency,
        facts,
        warnings,
        ...(entries !== undefined && { entries }),
        ...(bytes !== undefined && { bytes }),
      };
    } catch (error) {
      if (flags.check) this.exitCode = error instanceof CacheError ? exitCodeOf(error) : (1 satisfies ExitCode);
      const { message, code } = error instanceof CacheError ? error : { message: messageOf(error), code: "unexpected" };
      return { name, ok: false, error: { code, message }, facts: {}, warnings: [] };
    }
  }
}

function settingsOf(config: ResolvedConfig) {
  return SETTING_NAMES.filter((name) => !settingSpec(name).invocation).map((name) => {
    const spec = settingSpec(name);
    const setting = config.settings[name];
    const value = setting === undefined ? null : showSetting(name, setting.value);
    return {
      name,
      flag: `--${spec.flag}`,
      env: environmentNames(spec)[0],
      value,
      source: setting?.source.where ?? "not set",
    };
  });
}
