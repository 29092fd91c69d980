import { CacheCommand } from "../cli/base-command.js";
import type { CommandHost } from "../cli/command-host.js";
import { manualPage } from "../cli/man.js";
import { referenceOf } from "../cli/reference.js";

export default class Man extends CacheCommand {
  static override summary = "Print the manual page of all commands.";
  static override description =
    "For man(1), as the file that is installed with the package. With --json all commands, flags, settings and exit codes as data.";
  static override examples = ["<%= config.bin %> man > cache.1", "<%= config.bin %> man --json"];

  readonly #host: CommandHost;

  constructor(argv: string[], config: CommandHost) {
    super(argv, config);
    this.#host = config;
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Man);
    await this.settings(flags);
    const { table, version } = this.#host;
    const reference = await referenceOf(table);
    await this.out.report({ ...reference }, () => manualPage(reference, version));
    if (this.out.terminal && this.out.mode === "text") this.out.note("# To read it: cache man | man -l -");
  }
}
