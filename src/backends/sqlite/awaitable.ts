import type { Awaitable } from "../backend.js";

/** Goes on with a value at once where it is there, else when it is: what answers synchronously stays so. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => U): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
