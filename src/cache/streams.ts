import type { EntryWriter, NewEntry } from "../backends/backend.js";
import { checkBytes } from "./new-entry.js";

/** The writer, with what has to happen around its commit. */
export function watchedWriter(
  writer: EntryWriter,
  { key }: Pick<NewEntry, "key">,
  around: <T>(keys: readonly string[], act: () => Promise<T>) => Promise<T>,
  onStored: () => void,
): EntryWriter {
  return {
    async write(piece) {
      checkBytes(piece, key);
      await writer.write(piece);
    },
    abort: () => writer.abort(),
    async commit(lease) {
      const outcome = await around([key], () => writer.commit(lease));
      if (outcome === "stored") onStored();
      return outcome;
    },
  };
}
