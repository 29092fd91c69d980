import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../clock.js";

/** Milliseconds after which a browser has to log in again. */
const SESSION_MS = 12 * 3_600_000;
/** Of one token at once; the oldest makes room. */
const MOST_OF_A_TOKEN = 16;
const SECRET_BYTES = 32;

/** A browser that logged in. */
export interface Session {
  /** Hash of the token that it logged in with: what that may do now is what the session may. */
  readonly token: Buffer;
  /** Epoch milliseconds, for people. */
  readonly expiresAt: number;
}

interface Kept extends Session {
  readonly secret: Buffer;
  /** By the clock that nobody sets. */
  readonly until: number;
}

/** Sessions of browsers, in this process alone: they end with it. What lies in a cookie is neither the token nor made of it. */
export class Sessions {
  readonly #clock: Clock;
  #kept: Kept[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what the browser is to send from now on */
  open(token: Buffer): { secret: string; session: Session; maxAge: number } {
    this.#drop(({ until }) => until <= this.#clock.monotonic());
    const own = this.#kept.filter((kept) => kept.token.equals(token));
    const [oldest] = own;
    if (oldest && own.length >= MOST_OF_A_TOKEN) this.#drop((kept) => kept === oldest);
    const secret = randomBytes(SECRET_BYTES).toString("base64url");
    const session = {
      ...{ token, secret: hashOf(secret) },
      expiresAt: this.#clock.now() + SESSION_MS,
      until: this.#clock.monotonic() + SESSION_MS,
    };
    this.#kept.push(session);
    return { secret, session, maxAge: SESSION_MS / 1000 };
  }

  /** The session that a browser means; undefined for one that has ended. */
  find(secret: string): Session | undefined {
    const hash = hashOf(secret);
    let found: Kept | undefined;
    // All are compared, so that the time tells nothing of which one it was.
    for (const kept of this.#kept) if (timingSafeEqual(kept.secret, hash)) found = kept;
    return found && found.until > this.#clock.monotonic() ? found : undefined;
  }

  has(session: Session): boolean {
    return this.#kept.some((kept) => kept === session && kept.until > this.#clock.monotonic());
  }

  end(session: Session): void {
    this.#drop((kept) => kept === session);
  }

  /** Ends those of all other tokens. */
  keepOnly(tokens: readonly Buffer[]): void {
    this.#drop(({ token }) => !tokens.some((known) => known.equals(token)));
  }

  #drop(goes: (kept: Kept) => boolean): void {
    this.#kept = this.#kept.filter((kept) => !goes(kept));
  }
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
