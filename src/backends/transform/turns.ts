import { setImmediate as nextTurn } from "node:timers/promises";
import type { Awaitable } from "../backend.js";

/** Bytes that are compressed, encrypted or the reverse in one go before others get their turn: a few milliseconds. */
const TURN_BYTES = 256 * 1024;
/** What one value costs besides, in bytes: zlib and OpenSSL set up their state for each. */
const COST_OF_ONE = 4096;

/**
 * Works on items in order: at once for a few small ones, else with a break now and then, so that a large batch holds nobody up.
 * @param work gives undefined where it had nothing to do
 */
export function inTurns<T extends { value: Uint8Array } | undefined, R>(
  items: readonly T[],
  work: (item: T, i: number) => Awaitable<R> | undefined,
): Awaitable<(R | undefined)[]> {
  const results: (Awaitable<R> | undefined)[] = [];
  const rest = items.entries();
  let waits = false;
  const step = () => {
    for (let spent = 0; spent <= TURN_BYTES; ) {
      const next = rest.next();
      if (next.done) return true;
      const [i, item] = next.value;
      const result = work(item, i);
      if (result instanceof Promise) {
        waits = true;
        // It is waited for below; it may fail before that.
        result.catch(() => undefined);
      } else if (item !== undefined && result !== undefined) spent += COST_OF_ONE + item.value.length;
      results.push(result);
    }
    return false;
  };
  const later = async () => {
    do await nextTurn();
    while (!step());
    return Promise.all(results);
  };
  if (!step()) return later();
  return waits ? Promise.all(results) : results.filter(isReady);
}

const isReady = <R>(result: Awaitable<R> | undefined): result is R | undefined => !(result instanceof Promise);
