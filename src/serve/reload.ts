import type { Awaitable } from "../backends/backend.js";

/** What can be read again while the server runs. */
export interface Reloadable {
  /** `rules`, `certificate`. */
  readonly name: string;
  /** Reads and checks it. @returns takes it into use, and can't fail any more */
  prepare(): Awaitable<() => void>;
}

export interface ReloadListener {
  reloaded(names: readonly string[]): void;
  /** Everything stays as it was. */
  failed(error: unknown): void;
}

/** Reads again what may change on disk, all or nothing: a mistake in one file leaves the others as they were, too. */
export class Reload {
  readonly #parts: readonly Reloadable[];
  readonly #listener: ReloadListener;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(parts: readonly Reloadable[], listener: ReloadListener) {
    this.#parts = parts;
    this.#listener = listener;
  }

  /** Who asks while it is under way has it done once more: what he changed may have been read already. Never fails. */
  request(): Promise<void> {
    if (this.#running) this.#again = true;
    else {
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
      });
    }
    return this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      try {
        const ready: (() => void)[] = [];
        for (const part of this.#parts) ready.push(await part.prepare());
        for (const use of ready) use();
        if (ready.length > 0) this.#listener.reloaded(this.#parts.map(({ name }) => name));
      } catch (error) {
        this.#listener.failed(error);
      }
    } while (this.#again);
  }
}
