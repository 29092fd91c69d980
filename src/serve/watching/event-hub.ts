import type { Clock } from "../../clock.js";

/** What is used of a response that stays open. */
export interface EventSink {
  write(text: string): boolean;
  end(): void;
  destroy(): void;
  once(event: "close", listener: () => void): unknown;
  /** Bytes that the client has not taken yet. */
  readonly writableLength: number;
}

/** Who listens. */
interface Listener {
  readonly sink: EventSink;
  /** Whether he would be let in now. */
  readonly holds: () => boolean;
}

export interface HubEvent {
  /** The name that a listener asks for. */
  event: string;
  data: object;
}

/** Those who listen at once at most. */
const MOST_LISTENERS = 64;
/** Bytes that wait for one listener: who is slower is let go, and may come again. */
const MOST_WAITING = 512 * 1024;
/** Milliseconds between two comments that say that the connection stands, and between two sums of changes. */
const HEARTBEAT_MS = 15_000;
const SUM_MS = 1000;

/** Server-sent events (WHATWG HTML §9.2) to any number of listeners; none of them can hold up another, or fill the memory. */
export class EventHub {
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #changes: Record<string, number> = {};
  #over: AbortController | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Whether there is room for another one. */
  get open(): boolean {
    return !this.#closed && this.#listeners.size < MOST_LISTENERS;
  }

  /** @param first what the listener is told at once, and alone @param holds is asked before he is told more */
  join(sink: EventSink, first: readonly HubEvent[], holds: () => boolean): void {
    const listener = { sink, holds };
    sink.once("close", () => this.#leave(listener));
    sink.write(`retry: 2000\n\n${first.map(textOf).join("")}`);
    this.#listeners.add(listener);
    if (!this.#over) {
      this.#over = new AbortController();
      this.#changes = {};
      void this.#beat(this.#over.signal);
    }
  }

  tell(event: HubEvent): void {
    if (this.#listeners.size > 0) this.#send(textOf(event));
  }

  /** Counts a change, to be told of with others. */
  changed(op: string): void {
    if (this.#listeners.size > 0) this.#changes[op] = (this.#changes[op] ?? 0) + 1;
  }

  close(): void {
    this.#closed = true;
    for (const { sink } of this.#listeners) sink.end();
    this.#listeners.clear();
    this.#over?.abort();
  }

  async #beat(over: AbortSignal): Promise<void> {
    let quiet = 0;
    for (;;) {
      await this.#clock.sleep(SUM_MS, over, true);
      if (over.aborted) return;
      quiet += SUM_MS;
      if (Object.keys(this.#changes).length > 0) {
        this.tell({ event: "changes", data: { at: this.#clock.now(), ...this.#changes } });
        this.#changes = {};
      }
      if (quiet >= HEARTBEAT_MS) {
        this.#send(":\n\n");
        quiet = 0;
      }
    }
  }

  #send(text: string): void {
    for (const listener of this.#listeners) {
      const { sink, holds } = listener;
      if (!holds()) {
        this.#leave(listener);
        sink.end();
      } else if (sink.writableLength > MOST_WAITING) {
        this.#leave(listener);
        sink.destroy();
      } else sink.write(text);
    }
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#over?.abort();
    this.#over = undefined;
  }
}

/** JSON has no line breaks of its own, so that it is one line of data. */
function textOf({ event, data }: HubEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
