import type { Outage, Reading } from "../../cache/readings.js";
import type { PrefixGroup } from "../../cache/survey.js";
import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { Io } from "../io.js";
import type { Output } from "../output.js";
import { type Key, Terminal, type View } from "./terminal.js";
import { watchScreen } from "./watch-screen.js";
import { pressedInWatch, WATCH_START, type WatchState, withReading } from "./watch-state.js";

/** What is watched. */
export interface Watched {
  take(): Promise<Reading | Outage>;
  /** @param bounds entries at most, and a second at most; whether to leave sizes out */
  survey(bounds: { limit: number; rate: number; keysOnly: boolean }): Promise<readonly PrefixGroup[]>;
}

export interface Watching {
  io: Io;
  out: Output;
  /** The store, on one line. */
  from: string;
  /** Milliseconds between two looks. */
  interval: number;
  watched: Watched;
  /** To be aborted when somebody quits. */
  end: AbortController;
  /** Aborted then, and by whatever else ends it. */
  until: AbortSignal;
}

/** Entries that a survey of the prefixes looks at: a few for the beginning, then more. */
const SURVEYS = [1000, 20_000];
/** Entries a second, so that nobody else notices. */
const SURVEY_RATE = 2000;
/** Milliseconds between two surveys, and after one that failed. */
const SURVEY_PAUSE = 60_000;
const SURVEY_RETRY = 5000;
/** Milliseconds between two drawings where nothing was pressed or read: ages go on. */
const TICK = 1000;

/**
 * A screen of figures until somebody quits or `until` is aborted.
 * @returns whether it was Ctrl-C
 */
export async function watchOnScreen(watching: Watching): Promise<boolean> {
  const { io, out, end, until } = watching;
  const view = new WatchView(watching);
  const terminal = new Terminal(io, io.stdout, out.style, view);
  view.onChange = () => terminal.draw();
  terminal.open();
  try {
    await Promise.all([looks(watching, view), surveys(watching, view), ticks(terminal, io.clock, until)]);
  } finally {
    // A loop that failed takes the others with it.
    end.abort();
    terminal.close();
  }
  return view.interrupted;
}

class WatchView implements View {
  readonly #watching: Watching;
  #state: WatchState = WATCH_START;
  #asking: number | undefined;
  #looked: (first: { source?: Reading["source"] }) => void = () => undefined;
  /** The first reading; nothing of it where there is none before the end. */
  readonly firstLook = new Promise<{ source?: Reading["source"] }>((resolve) => {
    this.#looked = resolve;
  });
  interrupted = false;
  onChange: () => void = () => undefined;

  constructor(watching: Watching) {
    this.#watching = watching;
    watching.until.addEventListener("abort", () => this.#looked({}), { once: true });
  }

  render(size: { columns: number; rows: number }) {
    const { io } = this.#watching;
    const asking = this.#asking === undefined ? {} : { asking: io.clock.monotonic() - this.#asking };
    return { lines: watchScreen(this.#state, this.#watching, { now: io.clock.now(), ...asking }, size) };
  }

  onKey(key: Key): void {
    const next = pressedInWatch(this.#state, key);
    if (typeof next === "string") {
      this.interrupted = next === "interrupt";
      this.#watching.end.abort();
    } else this.state = next;
  }

  onGone(): void {
    this.interrupted = true;
    this.#watching.end.abort();
  }

  get state(): WatchState {
    return this.#state;
  }

  set state(state: WatchState) {
    this.#state = state;
    this.onChange();
  }

  asks(): void {
    this.#asking = this.#watching.io.clock.monotonic();
  }

  took(reading: Reading | Outage): void {
    this.#asking = undefined;
    if (!("error" in reading)) this.#looked(reading);
    this.state = withReading(this.#state, reading);
  }
}

async function looks({ io: { clock }, interval, watched, until }: Watching, view: WatchView): Promise<void> {
  while (!until.aborted) {
    const next = clock.monotonic() + interval;
    view.asks();
    const reading = await watched.take();
    if (until.aborted) return;
    view.took(reading);
    await clock.sleep(next - clock.monotonic(), until);
  }
}

async function surveys({ io: { clock }, watched, until }: Watching, view: WatchView): Promise<void> {
  for (let round = 0; !until.aborted; round++) {
    let pause = SURVEY_PAUSE;
    // What is asked of each key, a server counts among the lookups that are watched here.
    const keysOnly = (await view.firstLook).source === "server";
    if (until.aborted) return;
    const limit = SURVEYS[Math.min(round, SURVEYS.length - 1)] ?? 0;
    try {
      const groups = await watched.survey({ limit, rate: SURVEY_RATE, keysOnly });
      if (until.aborted) return;
      const seen = groups.reduce((sum, { entries }) => sum + entries, 0);
      const complete = seen < limit;
      view.state = { ...view.state, survey: { groups, seen, complete, sized: !keysOnly, at: clock.now() } };
      if (!complete && round === 0) continue;
    } catch (error) {
      if (until.aborted) return;
      pause = SURVEY_RETRY;
      // The figures tell whether the store is away; what was found before stays.
      view.state = { ...view.state, surveyFailure: messageOf(error) };
    }
    await clock.sleep(pause, until);
  }
}

async function ticks(terminal: Terminal, clock: Clock, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    terminal.draw();
    await clock.sleep(TICK, until);
  }
}
