import { randomBytes } from "node:crypto";
import type { ChangeLog, ChangePage, Position } from "../backends/backend.js";
import { Follower } from "../backends/follower.js";
import type { Change, ChangeOp } from "../changes.js";
import type { Clock } from "../clock.js";
import type { Selector } from "../selector.js";

/** Something that the selector holds may have changed; or, with `gap`, anything: changes may have gone unheard. */
export type HeardChange = { selector: Selector; op: ChangeOp } | { gap: true };

/** Is told of changes in the moment they are heard of; must not throw. */
export type ChangeListener = (change: HeardChange) => void;

/** The changes of a store, as long as they are followed. */
export interface Following {
  /** Resolves when other processes' changes are heard from now on, or it is known that they can't be heard yet. */
  readonly ready: Promise<void>;
  /** Up to where the store's log was heard; undefined before it could be read. */
  readonly position: Position | undefined;
  /** Milliseconds for which changes of other processes may have gone unheard. */
  readonly lagMs: number;
  stop(): void;
}

/** Milliseconds after which a log that can't be read is a gap: 2 s, less the time until that is looked at. */
const UNHEARD_MS = 1750;
const LOOK_MS = 200;

/** Tells listeners of this cache what changes in its store, whoever changes it. Nothing is read while nobody listens. */
export class ChangeFeed {
  readonly #log: ChangeLog;
  readonly #clock: Clock;
  readonly #listeners = new Set<ChangeListener>();
  #hearing: Hearing | undefined;
  /** Made when somebody listens: chance takes time to load. */
  #origin: string | undefined;

  constructor(log: ChangeLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  follow(listener: ChangeListener): Following {
    // The same one twice is two.
    const own: ChangeListener = (change) => listener(change);
    this.#listeners.add(own);
    this.#hearing ??= new Hearing(this.#log, this.#clock, (page) => this.#tellPage(page));
    const { follower } = this.#hearing;
    return {
      ready: follower.asked,
      get position() {
        return follower.position;
      },
      get lagMs() {
        return follower.age();
      },
      stop: () => {
        if (this.#listeners.delete(own) && this.#listeners.size === 0) void this.close();
      },
    };
  }

  /** What this cache's changes are to be named by in the log; nothing while nobody listens. */
  get origin(): string | undefined {
    if (!this.#hearing) return undefined;
    this.#origin ??= named();
    return this.#origin;
  }

  /** This cache is about to make a change, or has made it. */
  changed(selector: Selector, op: ChangeOp): void {
    this.#tell({ selector, op });
  }

  /** What came of a change of ours is not known: it may be made later, and all that bears its name counts like somebody else's. */
  failed(): void {
    this.#origin = undefined;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    const hearing = this.#hearing;
    this.#hearing = undefined;
    await hearing?.end();
  }

  #tellPage({ changes, gap }: Told): void {
    if (gap) this.#tell({ gap });
    for (const { selector, op, origin } of changes) if (origin !== this.#origin) this.#tell({ selector, op });
  }

  #tell(change: HeardChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** What a page of the log tells. */
type Told = Pick<ChangePage, "gap"> & { changes: readonly Change[] };

const GAP: Told = { changes: [], gap: true };

/** One time of listening. */
class Hearing {
  readonly follower: Follower;
  readonly #clock: Clock;
  readonly #tell: (page: Told) => void;
  readonly #over = new AbortController();
  readonly #ended: Promise<unknown>;
  /** It was told that changes are not heard. */
  #deaf = false;

  constructor(log: ChangeLog, clock: Clock, tell: (page: Told) => void) {
    this.#clock = clock;
    this.#tell = tell;
    // Where the log could not be read at first, there were listeners before it was.
    let isLate = false;
    this.follower = new Follower(log, clock, {
      began: () => {
        if (isLate) this.#heard(GAP);
      },
      page: (page) => this.#heard(page),
      looked: () => {},
    });
    void this.follower.asked.then(() => {
      isLate = this.follower.position === undefined;
    });
    const { signal } = this.#over;
    this.#ended = Promise.all([this.follower.run(signal), this.#watch(signal)]);
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#ended;
  }

  #heard({ changes, gap }: Told): void {
    const wasDeaf = this.#deaf;
    this.#deaf = false;
    this.#tell({ changes, gap: gap || wasDeaf });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(UNHEARD_MS, signal);
    while (!signal.aborted) {
      if (!this.#deaf && this.follower.age() > UNHEARD_MS) {
        this.#deaf = true;
        this.#tell(GAP);
      }
      await this.#clock.sleep(LOOK_MS, signal);
    }
  }
}

function named(): string {
  return randomBytes(12).toString("base64url");
}
