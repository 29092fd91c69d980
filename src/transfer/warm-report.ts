import { CacheError, messageOf } from "../errors.js";

/** What a warm counts; each is a number of records but for `bytes`. */
export interface WarmCounters {
  /** Records read, good and bad. */
  read: number;
  /** Written and acknowledged; in a dry run those that would be. */
  stored: number;
  /** Left alone because the key was there (`ifAbsent`). */
  skipped: number;
  /** Not written because their `expiresAt` had passed. */
  expired: number;
  /** Bad records. */
  rejected: number;
  /** Larger than the bounds of the store. */
  tooLarge: number;
  /** Not written because the key holds another type of the store's own (a Redis hash, list, …). */
  otherType: number;
  /** Not written because the same batch held the key again, as far as one batch shows it. */
  duplicates: number;
  /** Bytes of the values stored. */
  bytes: number;
  /** Read back and the same (`verify`). */
  verified: number;
  /** Read back and different or gone (`verify`). */
  mismatched: number;
}

export interface WarmReport extends WarmCounters {
  /** Records sent to the store that it did not acknowledge: each may be written or not. */
  unacknowledged: number;
  /** Some keys of records that were too large, that held another type, and that did not read back: at most ten each. */
  tooLargeKeys: string[];
  otherTypeKeys: string[];
  mismatchedKeys: string[];
  dryRun: boolean;
  /** Stopped by the signal, before the end of the sources. */
  interrupted: boolean;
  /** Where a checkpoint let it begin. */
  resumedFrom?: { source: string; line: number; offset: number };
  /** Milliseconds of this run. */
  elapsed: number;
}

export const NO_COUNTS: Readonly<WarmCounters> = {
  read: 0,
  stored: 0,
  skipped: 0,
  expired: 0,
  rejected: 0,
  tooLarge: 0,
  otherType: 0,
  duplicates: 0,
  bytes: 0,
  verified: 0,
  mismatched: 0,
};

/** Adds counts to a total in place. */
export function addCounts(total: WarmCounters, counts: WarmCounters): void {
  total.read += counts.read;
  total.stored += counts.stored;
  total.skipped += counts.skipped;
  total.expired += counts.expired;
  total.rejected += counts.rejected;
  total.tooLarge += counts.tooLarge;
  total.otherType += counts.otherType;
  total.duplicates += counts.duplicates;
  total.bytes += counts.bytes;
  total.verified += counts.verified;
  total.mismatched += counts.mismatched;
}

/** A warm that could not be finished: the failure's own kind, code and hint, and what was done before it. */
export class WarmError extends CacheError {
  readonly report: WarmReport;

  constructor(failure: unknown, report: WarmReport) {
    const known = failure instanceof CacheError ? failure : undefined;
    super(known?.kind ?? "store", known?.code ?? "warm-failed", messageOf(failure), {
      cause: failure,
      retryable: known?.retryable ?? false,
      ...(known?.key !== undefined && { key: known.key }),
      ...(known?.hint !== undefined && { hint: known.hint }),
    });
    this.report = report;
  }
}
