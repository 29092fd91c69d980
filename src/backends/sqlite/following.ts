import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Awaitable, ChangePage, Position } from "../backend.js";
import { andThen } from "./awaitable.js";
import type { Log } from "./log.js";
import type { Store } from "./store.js";

/** Milliseconds between two looks: what another process did is to be heard within 60. */
const LOOK_MS = 35;

/** Reads the log of a store, and keeps it for as long as it is read. */
export interface Follower {
  position(): Awaitable<Position>;
  changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncGenerator<ChangePage>;
}

export function followerOf(store: Store, log: Log): Follower {
  return store.readOnly ? new VersionFollower(store) : new LogFollower(store, log);
}

class LogFollower implements Follower {
  readonly #store: Store;
  readonly #log: Log;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  position(): Awaitable<Position> {
    return andThen(this.#keep(), () => this.#store.run((link) => this.#log.end(link)));
  }

  #keep(): Awaitable<void> {
    const { clock } = this.#store;
    if (this.#store.run((link) => this.#log.isKept(link, clock.now()))) return;
    return this.#store.change((link) => this.#log.keep(link, clock.now()));
  }

  async *changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncGenerator<ChangePage> {
    let position = after;
    while (!signal.aborted) {
      this.#store.followPath();
      await this.#keep();
      const page = this.#store.run((link) => this.#log.read(link, position));
      const moved = page.position !== position;
      position = page.position;
      yield page;
      // What was found may have been a part.
      await (moved ? nextTurn() : this.#store.clock.sleep(LOOK_MS, signal, idle));
    }
  }
}

/** A read-only store can't ask for a log: it only knows that others changed something. */
class VersionFollower implements Follower {
  readonly #store: Store;
  readonly #own = randomBytes(8).toString("hex");

  constructor(store: Store) {
    this.#store = store;
  }

  position(): Position {
    return this.#store.run(({ db, identity }) => {
      const version = Number(db.pragma("data_version", { simple: true }));
      return `${this.#own}.${identity?.ino ?? 0}.${version}`;
    });
  }

  async *changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncGenerator<ChangePage> {
    let seen = after;
    while (!signal.aborted) {
      this.#store.followPath();
      const position = this.position();
      const page = { changes: [], position, gap: position !== seen };
      seen = position;
      yield page;
      await this.#store.clock.sleep(LOOK_MS, signal, idle);
    }
  }
}
