import { statusOf } from "../../api/errors.js";
import { CacheError, type ErrorKind } from "../../errors.js";

/** A request that the admin API does not take, and the status that says why. */
export class Refusal extends CacheError {
  readonly status: number;

  constructor(status: number, code: string, message: string, hint?: string) {
    super(kindOf(status), code, message, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

/** The HTTP status of a call that failed so. */
export function answerStatus(error: unknown): number {
  return error instanceof Refusal ? error.status : statusOf(error);
}

function kindOf(status: number): ErrorKind {
  return status === 401 || status === 403 ? "authentication" : "usage";
}
