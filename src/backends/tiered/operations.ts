import { randomBytes } from "node:crypto";

/** A change that this process makes. */
export interface Operation {
  /** Names it in the logs. */
  readonly origin: string;
}

/**
 * Names what this process changes, so that it knows its own changes when it reads them in a log: those deal with their copies by themselves. What came of a change that
 * failed is not known, and it may take hold at any later time. So its name is given up with it, and all that bears the name counts like somebody else's.
 */
export class Operations {
  #current: Operation = named();
  /** Names copies and their deletion: nobody has to do anything because of them. */
  readonly copying = named().origin;

  begin(): Operation {
    return this.#current;
  }

  fail(operation: Operation): void {
    if (operation === this.#current) this.#current = named();
  }

  /** True if who reads the change in a log has nothing to do for it. */
  isDealtWith(origin: string): boolean {
    return origin === this.#current.origin || origin === this.copying;
  }
}

function named(): Operation {
  return { origin: randomBytes(12).toString("base64url") };
}
