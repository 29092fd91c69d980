import { randomUUID } from "node:crypto";
import { adminAccess } from "../cli/admin-access.js";
import { CacheCommand } from "../cli/base-command.js";
import { EXIT } from "../cli/exit-codes.js";
import { Flags, ownSettingFlags, repeatedFlag } from "../cli/flags.js";
import { originLine } from "../cli/target.js";
import { readTokens } from "../config/admin-tokens.js";
import { inMemoryAlone, overShared } from "../config/crew-store.js";
import type { ResolvedConfig } from "../config/load.js";
import { type Rule, RulesError } from "../config/rules.js";
import { type ServeSettings, serveMistakes, serveSettings } from "../config/serve.js";
import { hostInUrl } from "../config/settings.js";
import { CacheError, messageOf } from "../errors.js";
import { explanationText } from "../http/explain.js";
import { HttpCache } from "../http/http-cache.js";
import { explainUrl, fieldFromText } from "../serve/explain-url.js";
import { keepHeapSmall } from "../serve/heap.js";
import type { TlsFiles } from "../serve/listener.js";
import { planText, type ServePlan } from "../serve/plan.js";
import { Reload, type Reloadable } from "../serve/reload.js";
import { startServer } from "../serve/server.js";
import { readAuthorities, readTls } from "../serve/tls.js";
import { type WarmListener, type WarmPlan, warmingText } from "../serve/warming.js";
import type { AccessLog } from "../serve/watching/access-log.js";
import { Watch } from "../serve/watching/watch.js";
import { Crew, freePort } from "../serve/workers/crew.js";
import { CrewFolder } from "../serve/workers/crew-folder.js";
import { Link } from "../serve/workers/link.js";
import type { Reloaded } from "../serve/workers/messages.js";

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
  #reload: Reload | undefined;
  /** A SIGHUP came before anything could be read again. */
  #hungUp = false;

  async run(): Promise<void> {
    // From now on, since it would end the process.
    const offHangup = this.io.onHangup?.(() => {
      this.#hungUp = true;
      void this.#reload?.request();
    });
    try {
      await this.#run();
    } finally {
      offHangup?.();
    }
  }

  async #run(): Promise<void> {
    const { flags } = await this.parse(Serve);
    keepHeapSmall();
    const link = await Link.open();
    if (link) return this.#work(link);
    const config = await this.settings(flags);
    if (flags["check-config"]) return this.#check(config);
    if (flags.explain !== undefined) return this.#explain(flags.explain, flags.header ?? [], config, flags);
    if (flags.header) {
      throw new CacheError("usage", "invalid-arguments", "--header is about --explain", { hint: "Say --explain URL." });
    }
    const { workers, origins } = serveSettings(config);
    if (workers === 1 || origins.length === 0) return this.#serve(config, flags);
    const folder = inMemoryAlone(config) ? new CrewFolder() : undefined;
    try {
      await this.#serve(folder ? overShared(config, folder.store) : config, flags, true);
    } finally {
      folder?.remove();
    }
  }

  /** In this process alone or, with a crew, the part of the primary: the admin API, and the lives of the others. */
  async #serve(config: ResolvedConfig, flags: ServeFlags, crewed = false): Promise<void> {
    const settings = serveSettings(config);
    const { tls, ca } = trustOf(settings);
    const access = adminAccess(settings.admin, this.io, this.out);
    if (settings.admin.exposed && !tls) {
      const hint = "Give --tls-cert and --tls-key, or put something with TLS in front of it.";
      this.out.warn(`tokens of the admin API go unencrypted to ${settings.admin.host}:${settings.admin.port}`, hint);
    }
    const accessLog = crewed ? undefined : await this.#openLog(settings);
    let watch: Watch | undefined;
    let crew: Crew | undefined;
    const cache = await this.openServed(config, (event) => watch?.heard(event));
    watch = new Watch(cache, this.io.clock, {
      ...settings,
      origins: settings.origins.map(({ url }) => url),
      accessLog,
      ...(crewed && { crew: async () => (await crew?.figures()) ?? [] }),
      warn: (message) => this.out.warn(message),
    });
    const latest: Reloaded = { rules: settings.rules, tls };
    const reloads: Reloadable[] = [];
    const reload = new Reload(reloads, {
      reloaded: (names) => {
        crew?.reload(latest);
        this.out.note(`cache serve: reloaded ${names.join(", ")}`);
      },
      failed: (error) => this.out.alert(`nothing is reloaded: ${messageOf(error)}`),
    });
    // Unique, since a request that comes back is known by it.
    const pseudonym = `cache-${randomUUID()}`;
    try {
      if (crewed) crew = await this.#startCrew(config, settings, pseudonym, latest, ca);
    } catch (error) {
      await watch.settled();
      await cache.close();
      throw error;
    }
    const server = await startServer(
      cache,
      this.io.clock,
      {
        ...settings,
        ...(crew && { origins: [] }),
        admin: { ...settings.admin, tokens: access.tokens, namespace: config.keyPrefix, watch, ...(crew && { crew }) },
        warm: this.#warming(crew ? { hottest: false } : settings.warm),
        rewarm: settings.rewarm && !crew,
        ...(tls && { tls }),
        ...(ca !== undefined && { ca }),
        pseudonym,
      },
      watch,
    ).catch(async (error: unknown) => {
      await crew?.stop(0);
      throw error;
    });
    const settingsNow = async () => serveSettings(await this.settingsAnew(flags));
    const useRules = (rules: readonly Rule[]) => {
      latest.rules = rules;
      server.useRules(rules);
    };
    reloads.push({ name: "rules", prepare: async () => using((await settingsNow()).rules, useRules) });
    if (tls) {
      const renewTls = (files: TlsFiles) => {
        latest.tls = files;
        server.renewTls(files);
      };
      reloads.push({ name: "certificate", prepare: async () => using(readTls(await settingsNow()) ?? tls, renewTls) });
    }
    const { tokensFile } = settings.admin;
    if (tokensFile !== undefined) {
      // Whoever takes the last one away means it.
      const options = { credentialsFolder: this.io.env.CREDENTIALS_DIRECTORY, mayBeEmpty: true };
      reloads.push({ name: "tokens", prepare: () => using(readTokens(tokensFile, options), server.useTokens) });
    }
    // Those of workers are theirs to open.
    if (settings.accessLog !== undefined)
      reloads.push({ name: "access log", prepare: () => () => accessLog?.reopen() });
    this.#reload = reload;
    if (this.#hungUp) void reload.request();
    const { url, adminUrl = url } = server;
    const proxy = settings.origins.length > 0 ? [crew ? `${crew.url} (${settings.workers} workers)` : url] : [];
    this.out.note(`cache serve: ${[...proxy, `admin ${adminUrl}`].join(", ")}, store ${originLine(config)}`);
    const closed = access.opened(adminUrl);
    await untilAborted(this.signal);
    closed();
    await crew?.stop();
    await server.stop();
  }

  /** @throws CacheError what keeps a worker from its work */
  async #startCrew(
    config: ResolvedConfig,
    { admin: _own, ...settings }: ServeSettings,
    pseudonym: string,
    reloaded: Reloaded,
    ca: string | undefined,
  ): Promise<Crew> {
    const { workers, host, port: asked, drainMs } = settings;
    const port = asked === 0 ? await freePort(host) : asked;
    return Crew.start(this.io.clock, {
      ...{ workers, drainMs },
      orders: { port, pseudonym, config, settings, ca, reloaded },
      warn: (message) => this.out.alert(message),
    });
  }

  /** A process that serves clients for a primary, which says when to reload and when to end. */
  async #work(link: Link): Promise<void> {
    const { config, settings, ca, reloaded, workers, port, pseudonym, index, isFirst } = link.orders;
    const { rules, tls } = reloaded;
    let isReady = false;
    try {
      const accessLog = await this.#openLog(settings);
      const cache = await this.openServed(config, () => {}, workers);
      const watch = new Watch(cache, this.io.clock, {
        ...{ accessLog, monitorMs: 0, thresholds: {}, origins: settings.origins.map(({ url }) => url) },
        warn: (message) => this.out.warn(message),
      });
      // Memory is each one's own; what goes into the store is one's work for all.
      const { hottest, entries, urls } = settings.warm;
      const forAll = isFirst && index === 0 && { entries, urls };
      const warming = this.#warming({ hottest, ...forAll }, () => link.warming(false));
      const server = await startServer(
        cache,
        this.io.clock,
        {
          ...settings,
          ...{ rules, port, pseudonym, warm: warming, rewarmAfterMs: index * REWARM_STEP_MS },
          connections: Math.max(1, Math.floor(CONNECTIONS / workers)),
          ...(tls && { tls }),
          ...(ca !== undefined && { ca }),
        },
        watch,
      );
      const reload = (latest: Reloaded) => {
        server.useRules(latest.rules);
        if (latest.tls) server.renewTls(latest.tls);
        accessLog?.reopen();
      };
      isReady = true;
      link.warming(server.warming.state === "warming");
      const clear = async (tier: string) => (await cache.clear({ tier })).deleted;
      link.ready(server.url, { figures: () => watch.figures(), reload, clear });
      await untilAborted(AbortSignal.any([this.signal, link.stopped]));
      await server.stop();
    } catch (error) {
      if (isReady) throw error;
      await link.failed(error);
    } finally {
      link.leave();
    }
  }

  #warming(plan: WarmPlan, ended: () => void = () => {}): WarmPlan & WarmListener {
    return {
      ...plan,
      failed: (error) => this.out.warn(`warming: ${messageOf(error)}`),
      ended: (report) => {
        ended();
        this.out.note(`cache serve: ${warmingText(report)}`);
      },
    };
  }

  /** Opened before the store, so that a wrong name is found first. */
  async #openLog({
    accessLog,
    accessLogQuery: query,
  }: Pick<ServeSettings, "accessLog" | "accessLogQuery">): Promise<AccessLog | undefined> {
    if (accessLog === undefined) return undefined;
    const { AccessLog } = await import("../serve/watching/access-log.js");
    const to = accessLog === "-" ? this.io.stdout : accessLog;
    return new AccessLog(this.io.clock, { to, query, failed: (error) => this.out.alert(error.message) });
  }

  async #check(config: ResolvedConfig): Promise<void> {
    const mistakes = mistakesOf(config, this.io.env.CREDENTIALS_DIRECTORY);
    if (mistakes.length > 0) {
      this.exitCode = EXIT.usage;
      return this.out.report({ valid: false, mistakes }, () => mistakes.join("\n"));
    }
    const { host, port, workers, admin, tlsCert, origins, rules, cacheableMethods, maxObjectBytes } =
      serveSettings(config);
    const scheme = tlsCert === undefined ? "http" : "https";
    const plan: ServePlan = {
      listener: `${scheme}://${hostInUrl(host)}:${port}`,
      workers: origins.length > 0 ? workers : 1,
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

type ServeFlags = Readonly<Record<string, unknown>>;

/** Connections to an origin, of all workers together. */
const CONNECTIONS = 256;
/** Milliseconds by which each worker is later to fetch what was invalidated: it may be there by then. */
const REWARM_STEP_MS = 250;

/** @throws CacheError `invalid-tls` */
function trustOf(settings: Pick<ServeSettings, "tlsCert" | "tlsKey" | "originCa">) {
  const { originCa } = settings;
  return { tls: readTls(settings), ca: originCa === undefined ? undefined : readAuthorities(originCa) };
}

/** One line each. */
function mistakesOf(config: ResolvedConfig, credentialsFolder: string | undefined): string[] {
  const mistakes = serveMistakes(config).flatMap((error) =>
    error instanceof RulesError ? error.mistakes : [error.message],
  );
  if (mistakes.length > 0) return mistakes;
  const settings = serveSettings(config);
  const { originCa, admin } = settings;
  const steps = [
    () => readTls(settings),
    () => originCa !== undefined && readAuthorities(originCa),
    () => admin.tokensFile !== undefined && readTokens(admin.tokensFile, { credentialsFolder }),
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
