import type { Selector } from "../../selector.js";
import type { ScanOptions, ScanPage } from "../backend.js";
import type { Supervisor } from "./supervisor.js";

/** A listing under way in the backend. */
interface Reading {
  pages: AsyncIterator<ScanPage>;
  stop: AbortController;
}

/**
 * Pages of a listing. One that failed is asked for again from where the last one ended. The deadline is one between two steps of the backend: where little
 * matches, many steps make a page.
 */
export async function* scanPages(
  supervisor: Supervisor,
  selector: Selector,
  options: ScanOptions,
): AsyncGenerator<ScanPage> {
  const { signal } = options;
  const position: Pick<ScanOptions, "cursor" | "limit"> = {};
  if (options.cursor !== undefined) position.cursor = options.cursor;
  if (options.limit !== undefined) position.limit = options.limit;
  const { timeoutMs } = supervisor.settings;
  let reading: Reading | undefined;
  let stepped: () => void = () => undefined;
  let waiting = false;
  const abandon = () => {
    if (reading !== undefined) leave(reading);
    reading = undefined;
  };
  const onAbort = () => reading?.stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      const result = await supervisor.pursue({
        attempt: (backend, _, advance) => {
          if (waiting) abandon();
          waiting = true;
          stepped = advance;
          if (reading === undefined) {
            const stop = new AbortController();
            if (signal?.aborted) stop.abort(signal.reason);
            const onStep = () => {
              stepped();
              options.onStep?.();
            };
            const pages = backend.scan(selector, { ...options, ...position, signal: stop.signal, onStep });
            reading = { pages: pages[Symbol.asyncIterator](), stop };
          }
          return reading.pages.next();
        },
        idempotent: true,
        signal,
        endsItself: true,
        patienceMs: timeoutMs,
      });
      waiting = false;
      if (result.done) {
        reading = undefined;
        return;
      }
      const page = result.value;
      if (position.limit !== undefined) position.limit -= page.entries.length;
      yield page;
      if (page.cursor === undefined || position.limit === 0) return;
      position.cursor = page.cursor;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    abandon();
  }
}

/** Ends a listing that nobody reads on. One that hangs is not waited for, and has nobody left to tell of its failure. */
function leave({ pages, stop }: Reading): void {
  stop.abort();
  pages.return?.().catch(() => undefined);
}
