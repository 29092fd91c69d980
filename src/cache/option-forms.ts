import {
  ABOVE_ZERO,
  BYTES,
  CALLBACK,
  CHECKED_ELSEWHERE,
  FLAG,
  type Forms,
  numberFrom,
  oneOf,
  SIGNAL,
  TEXT,
} from "../option-checks.js";
import type {
  CallOptions,
  InvalidateOptions,
  PacedScanOptions,
  ReadOptions,
  ReadRangeOptions,
  WriteOptions,
  WriterOptions,
} from "./options.js";

/** Times, tags and ranges are checked where they are used, with errors of their own. */
const LATER = CHECKED_ELSEWHERE;

export const CALL: Forms<CallOptions> = { signal: SIGNAL, timeout: LATER, tier: TEXT };

export const READ: Forms<ReadOptions> = {
  ...CALL,
  peek: FLAG,
  want: oneOf("value", "freshness", "expiry", "copy", "all"),
};

export const RANGE: Forms<ReadRangeOptions> = {
  ...CALL,
  peek: FLAG,
  want: oneOf("copy", "all"),
  start: LATER,
  end: LATER,
};

const STORING = { ...CALL, mode: oneOf("always", "if-absent", "if-present"), since: TEXT };

export const WRITE: Forms<WriteOptions> = { ...STORING, onPending: CALLBACK };

export const WRITER: Forms<WriterOptions> = {
  ...STORING,
  ttl: LATER,
  tags: LATER,
  expiresAt: LATER,
  staleAt: LATER,
  meta: BYTES,
};

export const INVALIDATE: Forms<InvalidateOptions> = {
  ...CALL,
  limit: numberFrom(0),
  rate: ABOVE_ZERO,
  cursor: TEXT,
  soft: FLAG,
  onProgress: CALLBACK,
  onPending: CALLBACK,
};

export const SCAN: Forms<PacedScanOptions> = {
  ...CALL,
  limit: numberFrom(0),
  rate: ABOVE_ZERO,
  cursor: TEXT,
  fields: oneOf("key", "all"),
  onStep: CALLBACK,
};
