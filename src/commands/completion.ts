import * as Args from "@oclif/core/args";
import { CacheCommand } from "../cli/base-command.js";
import { INSTALLING, SCRIPTS, type Shell } from "../cli/completion/scripts.js";
import { CacheError } from "../errors.js";

const SHELLS = Object.keys(SCRIPTS) as Shell[];

export default class Completion extends CacheCommand {
  static override summary = "Print what makes a shell complete commands, flags, profiles, stores and keys.";
  static override description =
    "For bash, zsh and fish; without an argument for the shell that SHELL names. A press of Tab asks the store that the line names so far, reading only: nothing is counted, no store is made, and one that does not answer within a third of a second (CACHE_COMPLETION_TIMEOUT=2s says otherwise) is passed over in silence. Keys that begin with - are completed after --.";
  static override examples = [
    "<%= config.bin %> completion bash",
    "<%= config.bin %> completion zsh > _cache",
    "<%= config.bin %> completion fish > cache.fish",
  ];
  static override args = {
    shell: Args.string({ description: "the shell", options: SHELLS, ignoreStdin: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Completion);
    await this.settings(flags);
    const shell = shellOf(args.shell ?? this.#own());
    const script = SCRIPTS[shell];
    await this.out.report({ shell, script }, () => script);
    if (this.out.terminal) this.out.note(`# To have it in every new ${shell}:\n#   ${INSTALLING[shell]}`);
  }

  /** The name of the shell that people log in with. */
  #own(): string {
    return this.io.env.SHELL?.split("/").at(-1) ?? "";
  }
}

function shellOf(name: string): Shell {
  const shell = SHELLS.find((known) => known === name);
  if (shell !== undefined) return shell;
  throw new CacheError("usage", "unknown-shell", "the shell can't be told from SHELL", {
    hint: `Name it: ${SHELLS.join(", ")}.`,
  });
}
