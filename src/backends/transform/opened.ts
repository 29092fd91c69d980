import { CacheError } from "../../errors.js";
import type { Awaitable } from "../backend.js";
import type { Unreadable } from "./sealer.js";

/** What became of a stored value: an error where it may be sound, undefined where nothing had to be undone. */
export type Opened = Uint8Array | Unreadable | CacheError | undefined;

/** What may be sound and can't be read here becomes a result like the others. */
export function orItsError(open: () => Awaitable<Opened>): Awaitable<Opened> {
  const caught = (error: unknown) => {
    if (error instanceof CacheError) return error;
    throw error;
  };
  try {
    const opened = open();
    return opened instanceof Promise ? opened.catch(caught) : opened;
  } catch (error) {
    return caught(error);
  }
}
