import type { Backend, EntryWriter, NewEntry, Streaming } from "../backends/backend.js";
import { CacheError } from "../errors.js";

/** @throws CacheError `no-streams` */
export function streamsOf(backend: Backend): Backend & Streaming {
  if (hasStreams(backend)) return backend;
  throw new CacheError("usage", "no-streams", `the ${backend.name} store can't hold values in pieces`);
}

function hasStreams(backend: Backend): backend is Backend & Streaming {
  return "openWrite" in backend;
}

/** The writer, with what has to happen around its commit. */
export function watchedWriter(
  writer: EntryWriter,
  { key }: Pick<NewEntry, "key">,
  around: <T>(keys: readonly string[], act: () => Promise<T>) => Promise<T>,
  onStored: () => void,
): EntryWriter {
  return {
    write: (piece) => writer.write(piece),
    abort: () => writer.abort(),
    async commit(lease) {
      const outcome = await around([key], () => writer.commit(lease));
      if (outcome === "stored") onStored();
      return outcome;
    },
  };
}
