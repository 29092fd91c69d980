import { resolve } from "node:path";
import { CacheCommand } from "../../cli/base-command.js";
import { Flags } from "../../cli/flags.js";
import { ADMIN_ROLES, type AdminRole, addToken, newToken, tokenEntry } from "../../config/admin-tokens.js";

export default class ServeToken extends CacheCommand {
  static override summary = "Make a token for the admin API of cache serve.";
  static override description =
    "Prints the token, which is shown this once, and the line that cache serve --admin-tokens is to read; --file adds the line to that file. The line holds a hash: the token can't be told from it. Take a line away, and send cache serve a SIGHUP, and its token is worth nothing.";
  static override examples = [
    "<%= config.bin %> serve token --name ci --role viewer",
    "<%= config.bin %> serve token --name alice --file admin.tokens",
  ];
  static override flags = {
    name: Flags.string({ summary: "whose it is, for people", helpValue: "NAME", required: true }),
    role: Flags.option({
      options: ADMIN_ROLES,
      summary: "a viewer may look, an operator may change things too [default: operator]",
    })(),
    file: Flags.string({ summary: "the file to add the line to; made where there is none", helpValue: "FILE" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(ServeToken);
    const role: AdminRole = flags.role ?? "operator";
    const token = newToken();
    const entry = tokenEntry(token, flags.name, role);
    const path = flags.file === undefined ? undefined : resolve(this.io.cwd, flags.file);
    if (path !== undefined) addToken(path, entry);
    await this.out.report({ token, entry, ...(path !== undefined && { file: path }) }, () =>
      path === undefined ? `${token}\n${JSON.stringify(entry)}` : token,
    );
    if (path !== undefined) this.out.note(`added to ${path}; this is the only time that the token is shown`);
  }
}
