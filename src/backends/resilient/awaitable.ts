import type { Awaitable } from "../backend.js";

/** False for an answer that came at once. */
export function isPromise<T>(answer: Awaitable<T>): answer is Promise<T> {
  return typeof answer === "object" && answer !== null && "then" in answer;
}
