import { Command } from "@oclif/core/command";
import type { Input, ParserOutput } from "@oclif/core/interfaces";
import type { Cache } from "../cache/cache.js";
import { type ConfigInput, outranks, type Settings } from "../config/layers.js";
import type { ResolvedConfig } from "../config/load.js";
import { loadConfig } from "../config/load.js";
import type { Tier } from "../config/tiers.js";
import { CacheError, messageOf } from "../errors.js";
import type { CacheEvent } from "../events.js";
import { openConfigured, openServed } from "../open-cache.js";
import { saidBeforeParsing, settleSwitches } from "./argv.js";
import type { CommandHost } from "./command-host.js";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-codes.js";
import { settingFlags, typedSettings } from "./flags.js";
import { readSecret } from "./input.js";
import type { Io } from "./io.js";
import { type Mode, Output } from "./output.js";
import { escapeControls, escapeLine } from "./render/value.js";
import { styleFor } from "./style.js";
import { originLine, targetOf } from "./target.js";
import { usageError } from "./usage-error.js";

/**
 * What every command has: settings, one cache, one output, exit codes. A command implements `run`: it parses its flags, calls one
 * function of the core, renders, and sets `exitCode` where that is not 0.
 */
export abstract class CacheCommand extends Command {
  static override baseFlags = settingFlags;

  protected readonly io: Io;
  protected exitCode: ExitCode = EXIT.done;
  /** It runs until it is told to stop: that is its proper end. */
  protected readonly livesOn: boolean = false;
  #out: Output | undefined;
  #config: ResolvedConfig | undefined;
  #cache: Cache | undefined;
  #standsIn = false;
  readonly #stop = new AbortController();
  readonly #off: readonly string[];

  constructor(argv: string[], config: CommandHost) {
    super(argv, config);
    this.io = config.io;
    const settled = settleSwitches(argv, this.ctor);
    this.argv = settled.argv;
    this.#off = settled.off;
  }

  /** Runs the command and gives its exit code; never throws for what a user can cause. */
  async start(): Promise<number> {
    const forward = () => this.#stop.abort();
    if (this.io.signal.aborted) forward();
    this.io.signal.addEventListener("abort", forward, { once: true });
    try {
      await this.run();
    } catch (error) {
      if (!(this.#out?.closed ?? false)) await this.#fail(error);
    } finally {
      await this.#close();
      this.io.signal.removeEventListener("abort", forward);
    }
    if (this.#out?.closed) return EXIT.done;
    if (this.io.signal.aborted && !this.livesOn) return EXIT.interrupted;
    return this.exitCode;
  }

  protected override async parse<F extends Parsed, B extends Parsed, A extends Parsed>(
    options?: Input<F, B, A>,
    argv?: string[],
  ): Promise<ParserOutput<F, B, A>> {
    const parsed = await super.parse(options, argv);
    for (const name of this.#off) Object.assign(parsed.flags, { [name]: false });
    return parsed;
  }

  /** Aborted by Ctrl-C, and when nobody reads our output any more. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  protected get out(): Output {
    this.#out ??= this.#makeOutput(this.#wantedMode(), this.#said("quiet"), this.#said("no-color"));
    return this.#out;
  }

  /** The settings, resolved once. Warnings about them are said here. */
  protected async settings(flags: Readonly<Record<string, unknown>>): Promise<ResolvedConfig> {
    if (this.#config) return this.#config;
    this.#config = await this.#load(flags, (from, noInput, server) => readSecret(this.io, from, noInput, server));
    const { settings } = this.#config;
    this.#out?.dispose();
    this.#out = this.#makeOutput(modeOf(settings), settings.quiet?.value === true, settings.noColor?.value === true);
    for (const warning of this.#config.warnings) this.#out.warn(warning.message, warning.hint);
    return this.#config;
  }

  /** The settings as they would be if the command began now; nobody is asked for a password again. */
  protected async settingsAnew(flags: Readonly<Record<string, unknown>>): Promise<ResolvedConfig> {
    const { password = "" } = await this.settings(flags);
    return this.#load(flags, async () => password);
  }

  #load(flags: Readonly<Record<string, unknown>>, secret: ReadSecret): Promise<ResolvedConfig> {
    const { env, cwd, uid } = this.io;
    return loadConfig({
      ...((this.id === "serve" || this.id === "purge") && { command: this.id }),
      flags: typedSettings(flags),
      env,
      cwd,
      uid,
      readSecret: secret,
    });
  }

  /** The cache that the settings name, opened once and closed when the command ends; who only reads makes no store. */
  protected async openCache(
    flags: Readonly<Record<string, unknown>>,
    purpose: "read" | "write" = "read",
  ): Promise<Cache> {
    if (this.#cache) return this.#cache;
    const config = await this.settings(flags);
    this.verbose(`store: ${originLine(config)} (${config.storeSource.where})`);
    const emit = (event: CacheEvent) => this.#heard(event);
    this.#cache = await openConfigured(config, purpose, { clock: this.io.clock, emit, signal: this.signal });
    return this.#cache;
  }

  /** The cache of a process that lives on: kept open until the command ends. @param also is told what stores tell, besides the log @param processes that share the bounds of memory */
  protected async openServed(config: ResolvedConfig, also: (event: CacheEvent) => void, processes = 1): Promise<Cache> {
    const emit = (event: CacheEvent) => {
      this.#heard(event);
      also(event);
    };
    return openServed(config, { clock: this.io.clock, emit }, processes);
  }

  /** One tier alone, opened for a look at it and closed again. */
  protected async withTier<T>(config: ResolvedConfig, tier: Tier, look: (cache: Cache) => Promise<T>): Promise<T> {
    const alone = { ...config, tiers: [tier], store: tier.store, fallback: undefined };
    const emit = (event: CacheEvent) => this.#heard(event);
    const cache = await openConfigured(alone, "read", { clock: this.io.clock, emit, signal: this.signal });
    try {
      return await look(cache);
    } finally {
      await cache.close();
    }
  }

  /**
   * What a command that writes says of itself where the fallback stood in for the store: the store has not got it, and is told of it before it is used again. It is partly done
   * then.
   */
  protected pending(): { pending?: true } {
    if (!this.#standsIn) return {};
    if (this.exitCode === EXIT.done) this.exitCode = EXIT.partial;
    return { pending: true };
  }

  /** The store, or the fallback that stood in for it. */
  protected takenBy(config: ResolvedConfig): string {
    if (!this.#standsIn || !config.fallback) return originLine(config);
    return `the fallback ${targetOf({ store: config.fallback })}, pending for ${originLine(config)}`;
  }

  /** The store, or the fallback that was read in its place. */
  protected readFrom(config: ResolvedConfig): string {
    if (!this.#standsIn || !config.fallback) return originLine(config);
    return `the fallback ${targetOf({ store: config.fallback })} in the place of ${originLine(config)}`;
  }

  /** The same for a command that writes. @throws CacheError `read-only`, before the store is touched */
  protected async openForWriting(flags: Readonly<Record<string, unknown>>): Promise<Cache> {
    this.checkWritable(await this.settings(flags));
    return this.openCache(flags, "write");
  }

  /** @throws CacheError `read-only` */
  protected checkWritable({ settings: { readOnly } }: ResolvedConfig): void {
    if (readOnly?.value === true) {
      throw new CacheError(
        "refused",
        "read-only",
        `nothing may be written here: ${readOnly.source.where} says read-only`,
        {
          hint:
            readOnly.source.layer === "flag"
              ? "Leave out --read-only."
              : "Use a profile that may write, or say --read-only=false if it is to be written all the same.",
        },
      );
    }
  }

  protected verbose(text: string): void {
    const said = this.#config?.settings.verbose?.value === true;
    if (said) this.out.note(this.out.errStyle.dim(escapeLine(text)));
  }

  /** What the JSON form of an error holds besides code, message and hint. */
  protected errorDetails(_error: unknown): object {
    return {};
  }

  /** May this command ask? Prompts go to stderr, so that stdout can be a pipe. */
  protected get interactive(): boolean {
    const asked = this.#config?.settings.noInput?.value === true;
    return !asked && this.io.stdin.isTTY === true && this.io.stderr.isTTY === true;
  }

  /** May it do so on a whole screen? */
  protected get hasScreen(): boolean {
    return this.interactive && this.io.env.TERM !== "dumb";
  }

  /** Where something was lost or put off, that is said also with `--quiet`. */
  #heard({ code, message, hint }: CacheEvent): void {
    if (code === "fallback-on") this.#standsIn = true;
    if (code === "store-quarantined" || code === "fallback-on") this.out.alert(message, hint);
    else this.out.warn(message, hint);
  }

  /** What answered in the place of the store. */
  #standIn(): { answeredBy?: string } {
    const { fallback } = this.#config ?? {};
    return this.#standsIn && fallback ? { answeredBy: targetOf({ store: fallback }) } : {};
  }

  #makeOutput(mode: Mode, quiet: boolean, noColor: boolean): Output {
    const { io } = this;
    return new Output(io, {
      mode,
      quiet,
      style: styleFor(io.stdout, io.env, noColor),
      errStyle: styleFor(io.stderr, io.env, noColor),
      schema: `cache.${(this.id ?? "").replaceAll(":", ".")}/1`,
      onClosed: () => this.#stop.abort(),
      also: () => this.#standIn(),
    });
  }

  #said(name: string): boolean {
    return saidBeforeParsing(name, this.argv, this.io.env);
  }

  #wantedMode(): Mode {
    if (this.argv.includes("--ndjson") && !this.argv.includes("--json")) return "ndjson";
    return this.#said("json") ? "json" : this.#said("ndjson") ? "ndjson" : "text";
  }

  async #fail(thrown: unknown): Promise<void> {
    const error = usageError(thrown, this.ctor);
    this.exitCode = error ? exitCodeOf(error) : EXIT.failure;
    if (error?.code === "interrupted") this.exitCode = EXIT.interrupted;
    const { code, message, hint } = this.#tellable(error, thrown);
    if (this.out.mode !== "text" && !this.out.broken)
      await this.out.error({ code, message, ...(hint !== undefined && { hint }), ...this.errorDetails(thrown) });
    else {
      const { errStyle } = this.out;
      this.io.stderr.write(`${errStyle.red("error:")} ${escapeLine(message)}\n`);
      if (hint !== undefined) this.io.stderr.write(`  ${errStyle.dim(escapeLine(hint))}\n`);
    }
    if ((this.#config?.settings.verbose?.value === true || this.#said("verbose")) && thrown instanceof Error) {
      const cause = thrown.cause === undefined ? "" : `caused by: ${escapeLine(messageOf(thrown.cause))}\n`;
      this.io.stderr.write(error ? cause : `${escapeControls(String(thrown.stack))}\n`);
    }
  }

  #tellable(
    error: CacheError | undefined,
    thrown: unknown,
  ): { code: string; message: string; hint?: string | undefined } {
    if (!error) return { code: "unexpected", message: messageOf(thrown) };
    // The core knows that a call was cancelled, not that somebody pressed a key.
    return error.code === "aborted" ? { code: error.code, message: "stopped before the end" } : error;
  }

  async #close(): Promise<void> {
    try {
      await this.#cache?.close();
    } catch (error) {
      if (this.exitCode === EXIT.done) await this.#fail(error);
    }
    this.#out?.dispose();
  }
}

type ReadSecret = NonNullable<ConfigInput["readSecret"]>;

type Parsed = Record<string, unknown>;

/** One of the two forms of output for programs: the one that the higher layer names. */
function modeOf({ json, ndjson }: Settings): Mode {
  if (json?.value !== true || ndjson?.value !== true) {
    return json?.value === true ? "json" : ndjson?.value === true ? "ndjson" : "text";
  }
  if (json.source.layer === ndjson.source.layer) {
    throw new CacheError("usage", "conflicting-flags", "json and ndjson are two forms of the same output", {
      hint: `Use one of them: ${json.source.where} and ${ndjson.source.where} say both.`,
    });
  }
  return outranks(json, ndjson.source) ? "json" : "ndjson";
}
