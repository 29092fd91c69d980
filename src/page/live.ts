import { useEffect } from "preact/hooks";
import type { ServerHealth, ServerPoint } from "../api/events.js";
import { ApiError, isAbort } from "./api.js";
import { Cell, useCell } from "./cell.js";
import { eventsOf, type ServerEvent } from "./event-stream.js";

/** Something that a store or the monitor told of. */
export interface Happening {
  at: number;
  kind: "store" | "alert";
  /** It is bad news. */
  isBad: boolean;
  message: string;
}

export interface Live {
  /** `waiting`: it was lost, and is tried again. */
  state: "connecting" | "live" | "waiting";
  /** Why it was lost. */
  because: string | undefined;
  points: readonly ServerPoint[];
  health: ServerHealth | undefined;
  /** The latest first. */
  happenings: readonly Happening[];
}

const KEPT_MS = 3_600_000;
const MOST_HAPPENINGS = 50;
/** Milliseconds before the first try after a loss, twice as many each time. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** The server says something every 15 seconds; after so many without a word the connection is taken for lost. */
const SILENCE_MS = 40_000;

/** A page that nobody has seen for so long costs the server nothing. */
const UNSEEN_MS = 60_000;

const live = new Cell<Live>({
  state: "connecting",
  because: undefined,
  points: [],
  health: undefined,
  happenings: [],
});
let listeners = 0;
let over = new AbortController();

/** What the server tells, as it happens, for as long as a component wants it. */
export function useLive(): Live {
  useEffect(() => {
    listeners += 1;
    if (listeners === 1) start();
    return () => {
      listeners -= 1;
      if (listeners === 0) over.abort();
    };
  }, []);
  return useCell(live);
}

function start(): void {
  over.abort();
  over = new AbortController();
  void follow(over.signal);
}

let unseen = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) unseen = window.setTimeout(() => over.abort(), UNSEEN_MS);
  else if (listeners > 0 && over.signal.aborted) start();
});

async function follow(ended: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  while (!ended.aborted) {
    const because = await listen(ended, () => {
      pause = FIRST_PAUSE_MS;
    });
    if (ended.aborted || because === "logged-out") return;
    live.set({ ...live.value, state: "waiting", because });
    // Many pages that lost the same server don't all come back at once.
    await sleep(pause * (0.75 + Math.random() / 2), ended);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** Listens until that ends. @returns why it did */
async function listen(ended: AbortSignal, heard: () => void): Promise<string> {
  const silence = new AbortController();
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => silence.abort(), SILENCE_MS);
  };
  alive();
  try {
    for await (const event of eventsOf("/events", AbortSignal.any([ended, silence.signal]))) {
      alive();
      heard();
      if (event) take(event);
    }
    return "the server ended it";
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return "logged-out";
    if (isAbort(error)) return "the server is silent";
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

function take({ event, data }: ServerEvent): void {
  const now = live.value;
  const change = changeOf(event, data, now);
  live.set({ ...now, ...change, state: "live", because: undefined });
}

/** The server is of the same build as the page: what it says is not checked again. */
function changeOf(event: string, data: unknown, { points, happenings }: Live): Partial<Live> {
  if (event === "points") return { points: data as ServerPoint[] };
  if (event === "point") {
    const point = data as ServerPoint;
    return { points: [...points.filter(({ at }) => at > point.at - KEPT_MS), point] };
  }
  if (event === "health") return { health: data as ServerHealth };
  if (event === "store") {
    const { at, code, message } = data as { at: number; code: string; message: string };
    return withHappening(happenings, {
      at,
      kind: "store",
      isBad: code === "breaker-open" || code === "fallback-on",
      message,
    });
  }
  if (event === "alert") {
    const { at, raised, message } = data as { at: number; raised: boolean; message: string };
    return withHappening(happenings, { at, kind: "alert", isBad: raised, message });
  }
  return {};
}

function withHappening(before: readonly Happening[], one: Happening): Partial<Live> {
  return { happenings: [one, ...before].slice(0, MOST_HAPPENINGS) };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
