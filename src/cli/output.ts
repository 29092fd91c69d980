import type { ChalkInstance } from "chalk";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { Io, Sink } from "./io.js";
import { stringify } from "./json-text.js";
import { escapeLine, jsonForTerminal } from "./render/value.js";

export type Mode = "text" | "json" | "ndjson";

type Json = Readonly<Record<string, unknown>>;

/**
 * What a command says: data on stdout as text, one JSON object, or NDJSON; everything else on stderr. Waits for a slow reader. A reader
 * that went away (EPIPE) is no error: `closed` is set, the rest is dropped, and the command is told to stop.
 */
export class Output {
  readonly style: ChalkInstance;
  readonly errStyle: ChalkInstance;
  readonly mode: Mode;
  readonly quiet: boolean;
  readonly #io: Io;
  readonly #schema: string;
  readonly #onClosed: () => void;
  readonly #also: () => Json;
  #list: string | undefined;
  #records = 0;
  #failure: CacheError | undefined;
  closed = false;

  constructor(
    io: Io,
    options: {
      mode: Mode;
      quiet: boolean;
      style: ChalkInstance;
      errStyle: ChalkInstance;
      schema: string;
      onClosed: () => void;
      /** What every report says besides its own, known when it is made. */
      also?: () => Json;
    },
  ) {
    this.#io = io;
    this.mode = options.mode;
    this.quiet = options.quiet;
    this.style = options.style;
    this.errStyle = options.errStyle;
    this.#schema = options.schema;
    this.#onClosed = options.onClosed;
    this.#also = options.also ?? (() => ({}));
    this.#io.stdout.on("error", this.#onError);
  }

  /** True if a person reads stdout. */
  get terminal(): boolean {
    return this.#io.stdout.isTTY === true;
  }

  get columns(): number {
    return this.#io.stdout.columns ?? 80;
  }

  /** True if stdout takes nothing more, though somebody wants it: a full disk. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  readonly #onError = (error: Error) => {
    if (codeOf(error) === "EPIPE") this.closed = true;
    else {
      this.#failure = new CacheError(
        "store",
        "output-not-written",
        `standard output takes no more: ${messageOf(error)}`,
        {
          cause: error,
          hint: "Check the space on its disk.",
        },
      );
    }
    this.#onClosed();
  };

  /** Stops listening; the streams belong to the caller. */
  dispose(): void {
    this.#io.stdout.off("error", this.#onError);
  }

  /**
   * Bytes or text to stdout as they are.
   * @throws CacheError `output-not-written`
   */
  async write(data: string | Uint8Array): Promise<void> {
    if (this.closed || data.length === 0) return;
    if (!this.broken) await writeAll(this.#io.stdout, data, () => this.closed || this.broken);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * One record of a list: a line of text, a line of NDJSON, or an element of the array `list` in the one JSON object, which is written as it grows.
   */
  async record(list: string, type: string, data: Json, text: () => string): Promise<void> {
    if (this.mode === "text") return this.write(`${text()}\n`);
    if (this.mode === "ndjson") return this.write(`${this.#json({ type, ...data })}\n`);
    await this.#openList(list);
    await this.write(`${this.#records++ === 0 ? "" : ","}\n${this.#json(data)}`);
  }

  async #openList(list: string): Promise<void> {
    if (this.#list === list) return;
    this.#list = list;
    await this.write(`{"schema":${JSON.stringify(this.#schema)},${JSON.stringify(list)}:[`);
  }

  /** The whole of what a command has to say, or what follows its list. */
  async report(data: Json, text: () => string, list?: string): Promise<void> {
    if (this.mode === "text") {
      const said = text();
      if (said !== "") await this.write(said.endsWith("\n") ? said : `${said}\n`);
    } else if (this.mode === "ndjson") {
      await this.write(`${this.#json({ type: "summary", ...data, ...this.#also() })}\n`);
    } else if (list === undefined) {
      await this.write(`${this.#json({ schema: this.#schema, ...data, ...this.#also() })}\n`);
    } else {
      await this.#openList(list);
      const rest = this.#json({ ...data, ...this.#also() }).slice(1, -1);
      await this.write(`]${rest === "" ? "" : ","}${rest}}\n`);
    }
  }

  /** A line of NDJSON, whatever form was asked for: of what has no end there is no other. */
  async line(data: Json): Promise<void> {
    await this.write(`${this.#json({ ...data, ...this.#also() })}\n`);
  }

  #json(data: Json): string {
    return this.terminal ? jsonForTerminal(stringify(data)) : stringify(data);
  }

  /** An error as JSON; inside a list that has begun it closes the object, so that the output stays one JSON text. */
  async error(error: Json): Promise<void> {
    if (this.mode === "ndjson") return this.write(`${this.#json({ type: "error", error })}\n`);
    if (this.#list === undefined) return this.write(`${this.#json({ error })}\n`);
    await this.write(`],"error":${this.#json(error)}}\n`);
  }

  /** A line for people, on stderr; `--quiet` drops it, and so does a reader of stdout who had enough. */
  note(text: string): void {
    if (!this.quiet && !this.closed) this.#io.stderr.write(`${text}\n`);
  }

  warn(message: string, hint?: string): void {
    if (!this.quiet) this.alert(message, hint);
  }

  /** A warning that `--quiet` does not drop. */
  alert(message: string, hint?: string): void {
    const more = hint === undefined ? "" : `\n  ${this.errStyle.dim(escapeLine(hint))}`;
    if (!this.closed) this.#io.stderr.write(`${this.errStyle.yellow("warning:")} ${escapeLine(message)}${more}\n`);
  }
}

async function writeAll(stream: Sink, data: string | Uint8Array, gone: () => boolean): Promise<void> {
  if (stream.write(data)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      stream.off("error", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
    stream.on("error", done);
    if (gone()) done();
  });
}
