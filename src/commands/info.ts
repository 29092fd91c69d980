import { CacheCommand } from "../cli/base-command.js";
import { availableBackends, type CheckedTier, checkTier, shownSettings } from "../cli/diagnosis.js";
import { exitCodeOf } from "../cli/exit-codes.js";
import { Flags } from "../cli/flags.js";
import { infoText } from "../cli/render/info.js";
import { origin, originLine } from "../cli/target.js";

export default class Info extends CacheCommand {
  static override summary = "Show which backends can be used, the settings and where each comes from, and the server.";
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
    const settings = shownSettings(config);
    const backends = await availableBackends();
    const inProcess: CheckedTier = { name: config.store.kind, ok: true, facts: {}, warnings: [] };
    const tier =
      config.store.kind === "memory" ? inProcess : await checkTier(config.store.kind, () => this.openCache(flags));
    if (flags.check && tier.error) this.exitCode = exitCodeOf(tier.error);
    const { error, ...rest } = tier;
    const shown = error ? { ...rest, error: { code: error.code, message: error.message, hint: error.hint } } : rest;
    await this.out.report(
      { ...origin(config), healthy: tier.ok, fallback: "none", backends, settings, tiers: [shown] },
      () => infoText({ backends, settings, tier, checked: flags.check, from: originLine(config) }, this.out.style),
    );
    for (const warning of tier.warnings) this.out.warn(warning);
  }
}
