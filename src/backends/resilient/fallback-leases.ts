import type { Backend, Lease, LeaseAnswer, LeaseOptions } from "../backend.js";

/** Begins the tokens of leases that the fallback gave: the store must not take one for its own. */
const MARK = "standby:";

/** Leases of the fallback, told from those of the store by their tokens. */
export class FallbackLeases {
  readonly #fallback: Backend;

  constructor(fallback: Backend) {
    this.#fallback = fallback;
  }

  async take(key: string, ms: number, options?: LeaseOptions): Promise<LeaseAnswer> {
    const answer = await this.#fallback.lease(key, ms, options);
    if (answer.outcome !== "taken") return answer;
    return { outcome: "taken", lease: { ...answer.lease, token: MARK + answer.lease.token } };
  }

  /** The lease as the fallback knows it; undefined for one of the store. */
  inner(lease: Lease): Lease | undefined {
    return lease.token.startsWith(MARK) ? { ...lease, token: lease.token.slice(MARK.length) } : undefined;
  }
}
