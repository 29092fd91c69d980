import type { ChalkInstance } from "chalk";
import type { EntryInfo, ScanPage } from "../../backends/backend.js";
import { CacheError, messageOf } from "../../errors.js";
import type { Filter, Selector } from "../../selector.js";
import type { Io } from "../io.js";
import type { Size } from "./line.js";
import { type PickerTitle, pickerScreen } from "./picker-screen.js";
import { PICKER_START, type PickerState, pressedInPicker, selected, selectorOf, withFound } from "./picker-state.js";
import { type Frame, type Key, Terminal, type View } from "./terminal.js";

/** Where entries are looked for. Both end early when the signal says so. */
export interface PickerSource {
  search(selector: Selector, options: { limit: number; signal: AbortSignal }): AsyncIterable<ScanPage>;
  /** The beginning of a value, as lines without control characters. */
  preview(entry: EntryInfo, signal: AbortSignal): Promise<readonly string[]>;
}

export interface PickerQuestion extends PickerTitle {
  source: PickerSource;
  /** Of Redis what is looked for; what was chosen does not say it again. */
  types?: Filter["types"];
}

/** Entries that are listed. */
const MOST_FOUND = 200;
/** Milliseconds that somebody who types is waited for, and somebody who walks through the list. */
const TYPING = 120;
const WALKING = 60;
/** Milliseconds that a search may take: a glob that nothing matches would be looked for in all of a store. */
const LONGEST_SEARCH = 15_000;

/**
 * Lets somebody search for entries and choose among them, on standard error.
 * @returns what was chosen
 * @throws CacheError `interrupted` for Ctrl-C, `nothing-chosen` for Escape
 */
export async function pickEntries(
  io: Io,
  style: ChalkInstance,
  question: PickerQuestion,
  signal: AbortSignal,
): Promise<Selector> {
  const picker = new Picker(io, question);
  const terminal = new Terminal(io, io.stderr, style, picker);
  picker.onChange = () => terminal.draw();
  // Ctrl-D is a no in all prompts.
  const abort = () => picker.leave(io.signal.aborted ? "interrupted" : "nothing-chosen");
  signal.addEventListener("abort", abort, { once: true });
  terminal.open();
  try {
    if (signal.aborted) abort();
    else picker.begin();
    return await picker.ended;
  } finally {
    signal.removeEventListener("abort", abort);
    terminal.close();
  }
}

class Picker implements View {
  readonly ended: Promise<Selector>;
  readonly #io: Io;
  readonly #question: PickerQuestion;
  #state: PickerState = PICKER_START;
  #searching = new AbortController();
  #previewing = new AbortController();
  #resolve: (chosen: Selector) => void = () => undefined;
  #reject: (error: CacheError) => void = () => undefined;
  onChange: () => void = () => undefined;

  constructor(io: Io, question: PickerQuestion) {
    this.#io = io;
    this.#question = question;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  begin(): void {
    void this.#search(0);
  }

  render(size: Size): Frame {
    return pickerScreen(this.#state, this.#question, this.#io.clock.now(), size);
  }

  onKey(key: Key): void {
    const before = this.#state;
    const next = pressedInPicker(before, key);
    if (next === "accept") this.#accept();
    else if (next === "cancel") this.leave("nothing-chosen");
    else if (next === "interrupt") this.leave("interrupted");
    else {
      this.#update(next);
      if (next.query !== before.query) void this.#search(TYPING);
    }
  }

  onGone(): void {
    this.leave("interrupted");
  }

  #accept(): void {
    const chosen = selected(this.#state);
    if (chosen === undefined) return;
    this.#stop();
    this.#resolve(chosen);
  }

  /** Ends it without an answer. */
  leave(code: "interrupted" | "nothing-chosen"): void {
    this.#stop();
    this.#reject(new CacheError("refused", code, "nothing was chosen, nothing was done"));
  }

  #stop(): void {
    this.#searching.abort();
    this.#previewing.abort();
  }

  /** A new state; where the cursor is at another entry than before, its value is looked at. */
  #update(state: PickerState): void {
    const before = this.#state.found[this.#state.at]?.key;
    this.#state = state;
    const entry = state.found[state.at];
    if (entry !== undefined && entry.key !== before) void this.#preview(entry);
    this.onChange();
  }

  /** Looks for what was typed, unless more is typed meanwhile. */
  async #search(wait: number): Promise<void> {
    this.#searching.abort();
    this.#searching = new AbortController();
    const { signal } = this.#searching;
    const { clock } = this.#io;
    if (wait > 0) await clock.sleep(wait, signal);
    if (signal.aborted) return;
    const found = new Map<string, EntryInfo>();
    const late = new AbortController();
    const over = AbortSignal.any([signal, late.signal]);
    void clock.sleep(LONGEST_SEARCH, over, true).then(() => late.abort());
    const show = (search: "running" | "done" | "bounded") =>
      this.#update(withFound(this.#state, sortedByKey(found.values()), search));
    try {
      const selector = selectorOf(this.#state.query, this.#question.types);
      for await (const page of this.#question.source.search(selector, { limit: MOST_FOUND, signal: over })) {
        if (signal.aborted) return;
        for (const entry of page.entries) found.set(entry.key, entry);
        show("running");
        if (found.size >= MOST_FOUND) break;
      }
      if (!signal.aborted) show(late.signal.aborted || found.size >= MOST_FOUND ? "bounded" : "done");
    } catch (error) {
      if (signal.aborted) return;
      if (late.signal.aborted) show("bounded");
      else this.#update({ ...this.#state, search: "done", failure: messageOf(error) });
    } finally {
      late.abort();
    }
  }

  async #preview(entry: EntryInfo): Promise<void> {
    this.#previewing.abort();
    this.#previewing = new AbortController();
    const { signal } = this.#previewing;
    await this.#io.clock.sleep(WALKING, signal);
    if (signal.aborted) return;
    let lines: readonly string[];
    try {
      lines = await this.#question.source.preview(entry, signal);
    } catch (error) {
      lines = [`✗ ${messageOf(error)}`];
    }
    if (!signal.aborted) this.#update({ ...this.#state, preview: { key: entry.key, lines } });
  }
}

/** A store may list in any order; what somebody reads is in one. */
function sortedByKey(entries: Iterable<EntryInfo>): EntryInfo[] {
  return [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));
}
