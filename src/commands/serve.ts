import { randomUUID } from "node:crypto";
import { CacheCommand } from "../cli/base-command.js";
import { ownSettingFlags } from "../cli/flags.js";
import { originLine } from "../cli/target.js";
import { serveSettings } from "../config/serve.js";
import { messageOf } from "../errors.js";
import { startServer } from "../serve/server.js";
import { readAuthorities, readTls } from "../serve/tls.js";

export default class Serve extends CacheCommand {
  static override summary = "Run a caching HTTP proxy in front of one or more origins.";
  static override description =
    "It answers from the store what HTTP allows it to (RFC 9111), and asks the origin for the rest. Ends on Ctrl-C or SIGTERM when the requests that run have been answered.";
  static override examples = [
    "<%= config.bin %> serve --origin https://api.example.com",
    "<%= config.bin %> serve --origin api.example.com=http://127.0.0.1:3000 --origin www.example.com=http://127.0.0.1:3001 --port 8080",
    "<%= config.bin %> serve --origin http://127.0.0.1:3000 --store memory: --store redis://127.0.0.1:6379",
  ];
  static override flags = ownSettingFlags("serve");

  protected override readonly livesOn = true;

  async run(): Promise<void> {
    const { flags } = await this.parse(Serve);
    const config = await this.settings(flags);
    const settings = serveSettings(config);
    const tls = readTls(settings);
    const ca = settings.originCa === undefined ? undefined : readAuthorities(settings.originCa);
    const cache = await this.openServed(config);
    const server = await startServer(
      cache,
      this.io.clock,
      {
        ...settings,
        ...(tls && { tls }),
        ...(ca !== undefined && { ca }),
        // Unique, since a request that comes back is known by it.
        pseudonym: `cache-${randomUUID()}`,
      },
      {
        answered: () => {},
        asked: () => {},
        storeFailed: (error) => this.out.warn(`the store: ${messageOf(error)}`),
      },
    );
    this.out.note(`cache serve: ${server.url}, store ${originLine(config)}`);
    await untilAborted(this.signal);
    await server.stop();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
