import { randomBytes } from "node:crypto";

/** Failed operations that are remembered one by one. */
const MAX_FAILED = 10_000;

/** A change that this process makes. */
export interface Operation {
  readonly number: number;
  /** Names it in the logs. */
  readonly origin: string;
}

/**
 * Numbers what this process changes, so that it knows its own changes when it reads them in a log. A change that is under way or was acknowledged deals with
 * its copies by itself. What came of one that failed is not known: it may take hold at any later time, and then it counts like somebody else's.
 */
export class Operations {
  readonly #node = randomBytes(9).toString("base64url");
  #last = 0;
  readonly #failed = new Set<number>();
  /** Operations up to this number count as failed. */
  #floor = 0;

  /** Names the deletion of copies: nothing is owed to anybody because of it. */
  get dropping(): string {
    return `${this.#node}.drop`;
  }

  begin(): Operation {
    this.#last += 1;
    return { number: this.#last, origin: `${this.#node}.${this.#last}` };
  }

  fail({ number }: Operation): void {
    this.#failed.add(number);
    if (this.#failed.size <= MAX_FAILED) return;
    this.#floor = this.#last;
    this.#failed.clear();
  }

  /** True if who reads the change in a log has nothing to do for it. */
  isDealtWith(origin: string): boolean {
    if (!origin.startsWith(this.#node)) return false;
    if (origin === this.dropping) return true;
    const number = Number(origin.slice(this.#node.length + 1));
    return number > this.#floor && number <= this.#last && !this.#failed.has(number);
  }
}
