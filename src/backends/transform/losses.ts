import { messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import { showKey } from "../../key.js";
import type { Backend } from "../backend.js";
import type { Unreadable } from "./sealer.js";

/** A value that was found to be unreadable, and by what to tell whether it is still there. */
export interface Lost {
  unreadable: Unreadable;
  version?: string | undefined;
  stored?: Uint8Array;
}

/** What becomes of values that can't be read. */
export class Losses {
  readonly #inner: Backend;
  readonly #options: { emit: Listener; readOnly: boolean };

  constructor(inner: Backend, options: { emit: Listener; readOnly: boolean }) {
    this.#inner = inner;
    this.#options = options;
  }

  /** Tells of values that can't be read, counts them, and removes them, each only if it is still the one that was read. Never fails. */
  async forget(lost: ReadonlyMap<string, Lost>): Promise<void> {
    let broken = 0;
    for (const [key, { unreadable }] of lost) {
      if (unreadable.broken) broken += 1;
      this.#options.emit({
        type: "warning",
        code: unreadable.broken ? "damaged-value" : "value-too-large",
        message: `the value of "${showKey(key)}" ${unreadable.reason}; it counts as a miss`,
      });
    }
    if (broken === 0 || this.#options.readOnly) return;
    try {
      await this.#remove(new Map([...lost].filter(([, { unreadable }]) => unreadable.broken)));
      if (this.#inner.capabilities.counts) await this.#inner.count({ errors: broken });
    } catch (error) {
      const message = `what could not be read could not be removed either: ${messageOf(error)}`;
      this.#options.emit({ type: "warning", code: "damaged-value", message });
    }
  }

  async #remove(lost: ReadonlyMap<string, Lost>): Promise<void> {
    const keys: string[] = [];
    const versions: string[] = [];
    const add = (key: string, version: string | undefined) => {
      if (version === undefined) return;
      keys.push(key);
      versions.push(version);
    };
    const unknown: string[] = [];
    for (const [key, { version }] of lost) version === undefined ? unknown.push(key) : add(key, version);
    if (unknown.length > 0) {
      const now = await this.#inner.getMany(unknown, { want: "all", peek: true });
      for (const [i, key] of unknown.entries()) {
        const stored = lost.get(key)?.stored;
        const entry = now[i];
        if (entry && stored && Buffer.compare(entry.value, stored) === 0) add(key, entry.version);
      }
    }
    if (keys.length > 0) await this.#inner.deleteMany(keys, { versions });
  }
}
