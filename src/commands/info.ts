import { CacheCommand } from "../cli/base-command.js";
import { availableBackends, checkTiers, shownSettings } from "../cli/diagnosis.js";
import { exitCodeOf } from "../cli/exit-codes.js";
import { Flags } from "../cli/flags.js";
import { infoText } from "../cli/render/info.js";
import { origin, originLine, targetOf } from "../cli/target.js";

export default class Info extends CacheCommand {
  static override summary = "Show which backends can be used, the settings and where each comes from, and the store.";
  static override description =
    "--check asks each tier for an answer, says how long it took, and exits 5 if one gave none: for CI and probes.";
  static override examples = [
    "<%= config.bin %> info",
    "<%= config.bin %> info --check --store redis://127.0.0.1:6379",
    "<%= config.bin %> info --json",
  ];
  static override flags = {
    check: Flags.boolean({ summary: "check that each store answers, with its latency" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Info);
    const config = await this.settings(flags);
    const settings = shownSettings(config);
    const backends = await availableBackends();
    const tiers = await checkTiers(config, (tier, look) => this.withTier(config, tier, look));
    const failed = tiers.find((tier) => tier.error)?.error;
    if (flags.check && failed) this.exitCode = exitCodeOf(failed);
    const fallback = config.fallback ? targetOf({ store: config.fallback }) : "none";
    const shown = tiers.map(({ error, ...tier }) =>
      error ? { ...tier, error: { code: error.code, message: error.message, hint: error.hint } } : tier,
    );
    await this.out.report(
      { ...origin(config), healthy: failed === undefined, fallback, backends, settings, tiers: shown },
      () => infoText({ backends, settings, tiers, checked: flags.check, from: originLine(config) }, this.out.style),
    );
    for (const { warnings } of tiers) for (const warning of warnings) this.out.warn(warning);
  }
}
