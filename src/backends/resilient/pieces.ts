import type { EntryReader, EntryWriter } from "../backend.js";
import type { Operation } from "./pursuit.js";
import type { Supervisor } from "./supervisor.js";

/** What belongs to a stream goes on whatever the breaker says: who has opened it may read it to its end. */
const ONCE = { idempotent: false, admitted: true } satisfies Partial<Operation<unknown>>;

/** The same stream with a deadline for each piece. A piece that failed is not asked for again: the rest may be that of another entry by then. */
export function readerWithDeadlines(reader: EntryReader, supervisor: Supervisor): EntryReader {
  return { head: reader.head, body: piecesOf(reader, supervisor), close: () => reader.close() };
}

async function* piecesOf(reader: EntryReader, supervisor: Supervisor): AsyncGenerator<Uint8Array> {
  const pieces = reader.body[Symbol.asyncIterator]();
  let whole = false;
  try {
    for (;;) {
      const result = await supervisor.pursue({ ...ONCE, attempt: () => pieces.next() });
      if (result.done) {
        whole = true;
        return;
      }
      yield result.value;
    }
  } finally {
    // A stream that hangs is not waited for, and has nobody left to tell of its failure.
    if (!whole) pieces.return?.().catch(() => undefined);
  }
}

/** The same writer with a deadline for each piece, and for the end. */
export function writerWithDeadlines(writer: EntryWriter, supervisor: Supervisor): EntryWriter {
  return {
    write: (piece) => supervisor.pursue({ ...ONCE, attempt: () => writer.write(piece) }),
    commit: (lease) => supervisor.pursue({ ...ONCE, attempt: () => writer.commit(lease) }),
    abort: () => supervisor.pursue({ ...ONCE, attempt: () => writer.abort() }),
  };
}
