export interface UntilOptions {
  /** Milliseconds of real time before giving up; default 5,000. */
  timeoutMs?: number;
  /** Milliseconds between two looks; default 5. */
  everyMs?: number;
  /** What is waited for, for the message of the failure. */
  what?: string;
}

/**
 * Waits until the condition is truthy and gives its value; a condition that throws counts as not yet.
 * @throws Error with the last thing thrown as its cause when the time is over
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const { timeoutMs = 5000, everyMs = 5, what = condition.toString() } = options;
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (isTruthy(value)) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

function isTruthy<T>(value: T): value is Exclude<T, false | null | undefined | 0 | ""> {
  return Boolean(value);
}
