import type { Backend, ScanPage } from "../backends/backend.js";
import type { Clock } from "../clock.js";
import { checkOptions } from "../option-checks.js";
import { checkSelector, escapeGlob, type Selector } from "../selector.js";
import { Deadline, listenedByMany, untilAborted } from "./call.js";
import { Distinct } from "./distinct.js";
import { SCAN } from "./option-forms.js";
import type { PacedScanOptions } from "./options.js";

/** Keys that a count gives as an example of what it counted. */
const SAMPLE = 5;

/** Pages of entries, no faster than asked for and no longer than the call may take. */
export function pagesOf(
  backend: Backend,
  clock: Clock,
  selector: Selector,
  options: PacedScanOptions,
): AsyncIterable<ScanPage> {
  checkSelector(selector);
  checkOptions("a scan", options, SCAN);
  const { rate, timeout, tier: _, ...rest } = options;
  if (rest.signal !== undefined) listenedByMany(rest.signal);
  if (timeout === undefined) return paced(backend.scan(selector, rest), clock, rate, rest.signal);
  return bounded(backend, clock, selector, { ...rest, timeout, ...(rate !== undefined && { rate }) });
}

async function* bounded(
  backend: Backend,
  clock: Clock,
  selector: Selector,
  { rate, timeout, ...rest }: PacedScanOptions & { timeout: number },
): AsyncGenerator<ScanPage> {
  const deadline = new Deadline(clock, timeout, rest.signal);
  const { signal } = deadline;
  try {
    const pages = paced(backend.scan(selector, { ...rest, signal }), clock, rate, signal)[Symbol.asyncIterator]();
    for (;;) {
      const page = await untilAborted(pages.next(), signal);
      if (page.done) break;
      yield page.value;
    }
    // A scan that a signal ended says nothing; a deadline that cut it short must not look like the end.
    if (signal.aborted && rest.signal?.aborted !== true) throw signal.reason;
  } finally {
    deadline.end();
  }
}

function paced(
  pages: AsyncIterable<ScanPage>,
  clock: Clock,
  rate: number | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<ScanPage> {
  return rate === undefined ? pages : held(pages, clock, rate, signal);
}

async function* held(
  pages: AsyncIterable<ScanPage>,
  clock: Clock,
  rate: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<ScanPage> {
  const start = clock.monotonic();
  let seen = 0;
  for await (const page of pages) {
    yield page;
    seen += page.entries.length;
    const ahead = start + (seen / rate) * 1000 - clock.monotonic();
    if (ahead > 0) await clock.sleep(ahead, signal);
    if (signal?.aborted) return;
  }
}

export interface Counted {
  count: number;
  /** False beyond a million keys of a store that repeats keys in a scan. */
  exact: boolean;
  /** The first few. */
  sample: string[];
}

export async function countPages(pages: AsyncIterable<ScanPage>, repeats: boolean): Promise<Counted> {
  const distinct = new Distinct(repeats);
  const sample: string[] = [];
  let count = 0;
  for await (const page of pages) {
    for (const { key } of page.entries) {
      if (distinct.isRepeat(key)) continue;
      if (sample.length < SAMPLE) sample.push(key);
      count += 1;
    }
  }
  return { count, exact: distinct.exact, sample };
}

/** A selector of the key where the store still holds it past its deadline. */
export function expiredKey(key: string): Selector {
  return { prefix: key, match: escapeGlob(key), expiry: "expired" };
}
