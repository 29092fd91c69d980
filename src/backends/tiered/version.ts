import type { Head } from "../backend.js";

/** No version of the lowest tier begins so. */
const MARK = "copy\u0000";

/**
 * The head of a copy as it is given away. Its version is one of the tier that holds it, and may look like another one of the lowest tier, which alone
 * compares versions; and its age is that of the copy.
 */
export function asCopy<T extends Head>(stored: T): Omit<T, "createdAt"> {
  const { createdAt: _, ...copy } = stored;
  if (copy.version !== undefined) copy.version = MARK + copy.version;
  return copy;
}

export function isOfCopy(version: string): boolean {
  return version.startsWith(MARK);
}
