import { randomUUID } from "node:crypto";
import { adminAccess } from "../cli/admin-access.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { Flags, ownSettingFlags, repeatedFlag } from "../cli/flags.js";
import { originLine } from "../cli/target.js";
import { readTokens } from "../config/admin-tokens.js";
import type { ResolvedConfig } from "../config/load.js";
import { RulesError } from "../config/rules.js";
import { type ServeSettings, serveMistakes, serveSettings } from "../config/serve.js";
import { hostInUrl } from "../config/settings.js";
import { CacheError, messageOf } from "../errors.js";
import { explanationText } from "../http/explain.js";
import { HttpCache } from "../http/http-cache.js";
import { explainUrl, fieldFromText } from "../serve/explain-url.js";
import { planText, type ServePlan } from "../serve/plan.js";
import { Reload, type Reloadable } from "../serve/reload.js";
import { startServer } from "../serve/server.js";
import { readAuthorities, readTls } from "../serve/tls.js";
import { warmingText } from "../serve/warming.js";
import type { AccessLog } from "../serve/watching/access-log.js";
import { Watch } from "../serve/watching/watch.js";

export default class Serve extends CacheCommand {
  static override summary = "Run a caching HTTP proxy in front of one or more origins.";
  static override description =
    "It answers from the store what HTTP allows it to (RFC 9111), and asks the origin for the rest. Ends on Ctrl-C or SIGTERM when the requests that run have been answered.";
  static override examples = [
    "<%= config.bin %> serve --origin https://api.example.com",
    "<%= config.bin %> serve --origin api.example.com=http://127.0.0.1:3000 --origin www.example.com=http://127.0.0.1:3001 --port 8080",
    "<%= config.bin %> serve --origin http://127.0.0.1:3000 --store memory: --store redis://127.0.0.1:6379",
    "<%= config.bin %> serve --origin http://127.0.0.1:3000 --rules examples/rules.json --check-config",
    "<%= config.bin %> serve --rules examples/rules.json --explain https://www.example.com/blog/1 --header 'Accept-Language: de'",
  ];
  static override flags = {
    ...ownSettingFlags("serve"),
    "check-config": Flags.boolean({ summary: "say what would run, and every mistake in the settings; run nothing" }),
    explain: Flags.string({
      summary: "say which rule, key, freshness and tags a URL has; run nothing",
      helpValue: "URL",
    }),
    header: repeatedFlag({
      summary: "a header of the request that --explain is about (repeatable)",
      helpValue: "NAME: VALUE",
    }),
  };

  protected override readonly livesOn = true;

  async run(): Promise<void> {
    const { flags } = await this.parse(Serve);
    const config = await this.settings(flags);
    if (flags["check-config"]) return this.#check(config);
    if (flags.explain !== undefined) return this.#explain(flags.explain, flags.header ?? [], config, flags);
    if (flags.header) {
      throw new CacheError("usage", "invalid-arguments", "--header is about --explain", { hint: "Say --explain URL." });
    }
    const settings = serveSettings(config);
    const tls = readTls(settings);
    const ca = settings.originCa === undefined ? undefined : readAuthorities(settings.originCa);
    const access = adminAccess(settings.admin, this.io, this.out);
    const accessLog = await this.#openLog(settings);
    let watch: Watch | undefined;
    const cache = await this.openServed(config, (event) => watch?.heard(event));
    watch = new Watch(cache, this.io.clock, {
      ...settings,
      origins: settings.origins.map(({ url }) => url),
      accessLog,
      warn: (message) => this.out.warn(message),
    });
    const reloads: Reloadable[] = [];
    const reload = new Reload(reloads, {
      reloaded: (names) => this.out.note(`cache serve: reloaded ${names.join(", ")}`),
      failed: (error) => this.out.alert(`nothing is reloaded: ${messageOf(error)}`),
    });
    const offHangup = this.io.onHangup?.(() => void reload.request());
    const server = await startServer(
      cache,
      this.io.clock,
      {
        ...settings,
        admin: { ...settings.admin, tokens: access.tokens, namespace: config.keyPrefix, watch },
        warm: {
          ...settings.warm,
          failed: (error) => this.out.warn(`warming: ${messageOf(error)}`),
          ended: (report) => this.out.note(`cache serve: ${warmingText(report)}`),
        },
        ...(tls && { tls }),
        ...(ca !== undefined && { ca }),
        // Unique, since a request that comes back is known by it.
        pseudonym: `cache-${randomUUID()}`,
      },
      watch,
    );
    const settingsNow = async () => serveSettings(await this.settingsAnew(flags));
    reloads.push({ name: "rules", prepare: async () => using((await settingsNow()).rules, server.useRules) });
    if (tls) {
      reloads.push({
        name: "certificate",
        prepare: async () => using(readTls(await settingsNow()) ?? tls, server.renewTls),
      });
    }
    const { tokensFile } = settings.admin;
    if (tokensFile !== undefined) {
      reloads.push({ name: "tokens", prepare: () => using(readTokens(tokensFile), server.useTokens) });
    }
    if (accessLog) reloads.push({ name: "access log", prepare: () => () => accessLog.reopen() });
    const { url, adminUrl = url } = server;
    const proxy = settings.origins.length > 0 ? [url] : [];
    this.out.note(`cache serve: ${[...proxy, `admin ${adminUrl}`].join(", ")}, store ${originLine(config)}`);
    const closed = access.opened(adminUrl);
    await untilAborted(this.signal);
    closed();
    await server.stop();
    offHangup?.();
  }

  /** Opened before the store, so that a wrong name is found first. */
  async #openLog({ accessLog, accessLogQuery: query }: ServeSettings): Promise<AccessLog | undefined> {
    if (accessLog === undefined) return undefined;
    const { AccessLog } = await import("../serve/watching/access-log.js");
    const to = accessLog === "-" ? this.io.stdout : accessLog;
    return new AccessLog(this.io.clock, { to, query, failed: (error) => this.out.alert(error.message) });
  }

  async #check(config: ResolvedConfig): Promise<void> {
    const mistakes = mistakesOf(config);
    if (mistakes.length > 0) {
      this.exitCode = EXIT.usage;
      return this.out.report({ valid: false, mistakes }, () => mistakes.join("\n"));
    }
    const { host, port, admin, tlsCert, origins, rules, cacheableMethods, maxObjectBytes } = serveSettings(config);
    const scheme = tlsCert === undefined ? "http" : "https";
    const plan: ServePlan = {
      listener: `${scheme}://${hostInUrl(host)}:${port}`,
      admin: `${admin.exposed || admin.sharesPort ? scheme : "http"}://${hostInUrl(admin.host)}:${admin.port}`,
      adminTokens: admin.tokensFile ?? null,
      origins,
      store: originLine(config),
      rules,
      cacheableMethods,
      maxObject: maxObjectBytes,
    };
    await this.out.report({ valid: true, ...plan }, () => planText(plan));
  }

  async #explain(
    url: string,
    headers: readonly string[],
    config: ResolvedConfig,
    flags: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const settings = serveSettings(config);
    const fields = headers.flatMap(fieldFrom);
    const now = this.io.clock.now();
    // Of a store in memory nothing can be seen from here.
    const seen = config.store.kind !== "memory" && { store: new HttpCache(await this.openCache(flags), this.io.clock) };
    const explanation = await explainUrl({ url, fields }, { ...settings, now, ...seen });
    await this.out.report({ ...explanation }, () => explanationText(explanation));
  }
}

/** One line each. */
function mistakesOf(config: ResolvedConfig): string[] {
  const mistakes = serveMistakes(config).flatMap((error) =>
    error instanceof RulesError ? error.mistakes : [error.message],
  );
  if (mistakes.length > 0) return mistakes;
  const settings = serveSettings(config);
  const { originCa, admin } = settings;
  const steps = [
    () => readTls(settings),
    () => originCa !== undefined && readAuthorities(originCa),
    () => admin.tokensFile !== undefined && readTokens(admin.tokensFile),
  ];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      mistakes.push(error.message);
    }
  }
  return mistakes;
}

/** @throws CacheError `invalid-arguments` */
function fieldFrom(text: string): readonly string[] {
  const field = fieldFromText(text);
  if (field) return field;
  throw new CacheError("usage", "invalid-arguments", `--header: "${text}" is no header`, {
    hint: "Write it like --header 'Accept: text/html'.",
  });
}

function using<T>(value: T, use: (value: T) => void): () => void {
  return () => use(value);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
