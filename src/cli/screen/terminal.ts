import { emitKeypressEvents } from "node:readline";
import type { ChalkInstance } from "chalk";
import type { Io, Sink, TerminalHold } from "../io.js";
import { type Line, paint, type Size } from "./line.js";

/** A key that was pressed: `name` as Node's readline calls it (`up`, `return`, `a`), `text` what it types. */
export interface Key {
  name: string;
  ctrl: boolean;
  text: string;
}

export interface Frame {
  lines: readonly Line[];
  /** Where the cursor stands, from 0; absent: it is not shown. */
  cursor?: { row: number; column: number };
}

export interface View {
  render(size: Size): Frame;
  onKey(key: Key): void;
  /** The terminal was closed. */
  onGone(): void;
}

/** The smallest screen that anything is drawn for. */
const FALLBACK: Size = { columns: 80, rows: 24 };

/** The alternate screen; lines too wide by an error of counting are cut by the terminal rather than wrapped. */
const ENTER = "\u001b[?1049h\u001b[?7l\u001b[?25l\u001b[2J";
const LEAVE = "\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l";
/** Terminals that know it show the lines between as one change; others ignore it. */
const BEGIN = "\u001b[?2026h\u001b[?25l";
const END = "\u001b[?2026l";

/**
 * A terminal as a screen of lines, and its keys. It owns what is changed of the terminal (the alternate screen, raw mode, the cursor) and puts it back when it is closed, when the
 * process ends in whatever way can be seen, and while it is stopped.
 */
export class Terminal {
  readonly #io: Io;
  readonly #sink: Sink;
  readonly #style: ChalkInstance;
  readonly #view: View;
  readonly #hears: boolean;
  #hold: TerminalHold | undefined;
  #offHangup: (() => void) | undefined;
  #entered = false;
  #drawn: readonly string[] = [];

  /** @param sink what is written to; it is a terminal */
  constructor(io: Io, sink: Sink, style: ChalkInstance, view: View) {
    this.#io = io;
    this.#sink = sink;
    this.#style = style;
    this.#view = view;
    // What is no terminal gives no keys; Ctrl-C is a signal then.
    this.#hears = io.stdin.isTTY === true;
  }

  get size(): Size {
    const { columns = 0, rows = 0 } = this.#sink;
    return columns > 0 && rows > 0 ? { columns, rows } : FALLBACK;
  }

  open(): void {
    this.#hold = this.#io.holdTerminal?.({ release: this.#release, resume: this.#resume });
    this.#offHangup = this.#io.onHangup?.(this.#gone);
    this.#sink.on("resize", this.#redraw);
    if (this.#hears) {
      const { stdin } = this.#io;
      emitKeypressEvents(stdin);
      stdin.on("keypress", this.#pressed);
      stdin.on("end", this.#gone);
      stdin.on("error", this.#gone);
      stdin.resume();
    }
    this.#enter();
    this.draw();
  }

  close(): void {
    this.#release();
    this.#hold?.end();
    this.#offHangup?.();
    this.#sink.off("resize", this.#redraw);
    if (!this.#hears) return;
    const { stdin } = this.#io;
    stdin.off("keypress", this.#pressed);
    stdin.off("end", this.#gone);
    stdin.off("error", this.#gone);
    stdin.pause();
  }

  /** Writes the lines that are not on the screen yet. */
  draw(): void {
    if (!this.#entered) return;
    const { size } = this;
    const { lines, cursor } = this.#view.render(size);
    const painted = paint(lines, size, this.#style);
    const changed = painted.map((line, row) =>
      line === this.#drawn[row] ? "" : `\u001b[${row + 1};1H\u001b[2K${line}`,
    );
    this.#drawn = painted;
    const at = cursor === undefined ? "" : `\u001b[${cursor.row + 1};${cursor.column + 1}H\u001b[?25h`;
    this.#sink.write(`${BEGIN}${changed.join("")}${at}${END}`);
  }

  /** Stops the process, as Ctrl-Z does where keys mean signals. */
  suspend(): void {
    this.#hold?.suspend();
  }

  #enter(): void {
    this.#entered = true;
    this.#drawn = [];
    if (this.#hears) this.#io.stdin.setRawMode?.(true);
    this.#sink.write(ENTER);
  }

  readonly #release = () => {
    if (!this.#entered) return;
    this.#entered = false;
    if (this.#hears) this.#io.stdin.setRawMode?.(false);
    this.#sink.write(LEAVE);
  };

  /** A shell may have changed the terminal meanwhile, also where nobody saw that we were stopped. */
  readonly #resume = () => {
    this.#release();
    this.#enter();
    this.draw();
  };

  readonly #redraw = () => {
    this.#drawn = [];
    if (this.#entered) this.#sink.write("\u001b[2J");
    this.draw();
  };

  readonly #gone = () => this.#view.onGone();

  readonly #pressed = (text: string | undefined, key: { name?: string; ctrl?: boolean } = {}) => {
    const pressed = { name: key.name ?? text ?? "", ctrl: key.ctrl === true, text: text ?? "" };
    if (pressed.ctrl && pressed.name === "z") this.suspend();
    else this.#view.onKey(pressed);
  };
}
