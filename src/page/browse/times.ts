import { showDuration, showMs } from "../text.js";

/** What is left of an entry's time. @param ttl milliseconds, null = it never expires */
export function showTtl(ttl: number | null): string {
  if (ttl === null) return "never expires";
  if (ttl <= 0) return "expired";
  return ttl < 1000 ? showMs(ttl) : showDuration(ttl);
}

/** @param age milliseconds; undefined where the store does not know */
export function showAge(age: number | undefined): string {
  if (age === undefined) return "–";
  return age < 1000 ? "now" : showDuration(age);
}
