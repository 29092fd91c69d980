import { randomBytes } from "node:crypto";

/** A change that this process makes. */
export interface Operation {
  /** Names it in the logs. */
  readonly origin: string;
}

/** Between our own name and the one that a caller gave his change: the log tells both. */
const BOTH = "\u001f";

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
    const [own] = origin.split(BOTH, 1);
    return own === this.#current.origin || own === this.copying;
  }
}

/** What a change of a caller who gave it a name is called in the logs. */
export function nameFor({ origin }: Operation, given: string | undefined): string {
  return given === undefined ? origin : origin + BOTH + given;
}

/** The name that its caller gave a change, else the one it has. */
export function givenName(origin: string): string {
  const at = origin.indexOf(BOTH);
  return at < 0 ? origin : origin.slice(at + BOTH.length);
}

function named(): Operation {
  return { origin: randomBytes(12).toString("base64url") };
}
