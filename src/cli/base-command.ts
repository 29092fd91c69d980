import { Command } from "@oclif/core/command";
import type { Cache } from "../cache/cache.js";
import type { ResolvedConfig } from "../config/load.js";
import { loadConfig } from "../config/load.js";
import { CacheError, messageOf } from "../errors.js";
import type { CacheEvent } from "../events.js";
import { openConfigured } from "../open-cache.js";
import type { CommandHost } from "./command-host.js";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-codes.js";
import { settingFlags, typedSettings } from "./flags.js";
import { readSecret } from "./input.js";
import type { Io } from "./io.js";
import { type Mode, Output } from "./output.js";
import { styleFor } from "./style.js";
import { usageError } from "./usage-error.js";

/**
 * What every command has: settings, one cache, one output, exit codes. A command implements `run`: it parses its flags, calls one
 * function of the core, renders, and sets `exitCode` where that is not 0.
 */
export abstract class CacheCommand extends Command {
  static override baseFlags = settingFlags;

  protected readonly io: Io;
  protected exitCode: ExitCode = EXIT.done;
  #out: Output | undefined;
  #config: ResolvedConfig | undefined;
  #cache: Cache | undefined;
  readonly #stop = new AbortController();

  constructor(argv: string[], config: CommandHost) {
    super(argv, config);
    this.io = config.io;
  }

  /** Runs the command and gives its exit code; never throws for what a user can cause. */
  async start(): Promise<number> {
    const forward = () => this.#stop.abort();
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
    if (this.io.signal.aborted) return EXIT.interrupted;
    return this.exitCode;
  }

  /** Aborted by Ctrl-C, and when nobody reads our output any more. */
  protected get signal(): AbortSignal {
    return this.#stop.signal;
  }

  protected get out(): Output {
    this.#out ??= this.#makeOutput(this.#wantedMode(), this.argv.includes("--quiet"), false);
    return this.#out;
  }

  /** The settings, resolved once. Warnings about them are said here. */
  protected async settings(flags: Readonly<Record<string, unknown>>): Promise<ResolvedConfig> {
    if (this.#config) return this.#config;
    const { io } = this;
    const noInput = flags["no-input"] === true;
    this.#config = await loadConfig({
      flags: typedSettings(flags),
      env: io.env,
      cwd: io.cwd,
      uid: io.uid,
      readSecret: (from) => readSecret(io, from, noInput),
    });
    const { settings } = this.#config;
    const mode = settings.json?.value === true ? "json" : settings.ndjson?.value === true ? "ndjson" : "text";
    if (settings.json?.source.layer === "flag" && settings.ndjson?.source.layer === "flag") {
      throw new CacheError("usage", "conflicting-flags", "--json and --ndjson are two forms of the same output", {
        hint: "Use one of them.",
      });
    }
    this.#out?.dispose();
    this.#out = this.#makeOutput(mode, settings.quiet?.value === true, settings.noColor?.value === true);
    for (const warning of this.#config.warnings) this.#out.warn(warning.message, warning.hint);
    return this.#config;
  }

  /** The cache that the settings name, opened once and closed when the command ends. */
  protected async openCache(flags: Readonly<Record<string, unknown>>): Promise<Cache> {
    if (this.#cache) return this.#cache;
    const config = await this.settings(flags);
    if (config.store.kind === "memory") {
      throw new CacheError("usage", "memory-store", "a memory store would be gone when this command ends", {
        hint: "Use sqlite:PATH, file:DIR or redis://HOST.",
      });
    }
    this.verbose(flags, `store: ${config.store.kind} (${config.storeSource.where})`);
    this.#cache = await openConfigured(config, this.io.clock, (event) => this.#heard(event));
    return this.#cache;
  }

  protected verbose(flags: Readonly<Record<string, unknown>>, text: string): void {
    if (flags.verbose === true) this.out.note(this.out.errStyle.dim(text));
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

  #heard(event: CacheEvent): void {
    this.out.warn(event.message, event.hint);
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
    });
  }

  /** The output mode before flags are parsed, so that also a mistake in them is told in the form that was asked for. */
  #wantedMode(): Mode {
    const end = this.argv.indexOf("--");
    const flags = end < 0 ? this.argv : this.argv.slice(0, end);
    if (flags.includes("--json")) return "json";
    return flags.includes("--ndjson") ? "ndjson" : "text";
  }

  async #fail(thrown: unknown): Promise<void> {
    const error = usageError(thrown, this.ctor);
    this.exitCode = error ? exitCodeOf(error) : EXIT.failure;
    const { code, message, hint } = this.#tellable(error, thrown);
    if (this.out.mode !== "text" && !this.out.broken)
      await this.out.error({ code, message, ...(hint !== undefined && { hint }), ...this.errorDetails(thrown) });
    else {
      const { errStyle } = this.out;
      this.io.stderr.write(`${errStyle.red("error:")} ${message}\n`);
      if (hint !== undefined) this.io.stderr.write(`  ${errStyle.dim(hint)}\n`);
    }
    if (this.argv.includes("--verbose") && thrown instanceof Error) {
      const cause = thrown.cause === undefined ? "" : `caused by: ${messageOf(thrown.cause)}\n`;
      this.io.stderr.write(error ? cause : `${thrown.stack}\n`);
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
