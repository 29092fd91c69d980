import type { EntryReader, Head } from "../backend.js";
import { Answer } from "./answers.js";

/** A value that comes from the server in lines. */
export class RemoteReader implements EntryReader {
  readonly head: Head;
  readonly body: AsyncIterable<Uint8Array>;
  readonly #lines: AsyncGenerator<object>;

  constructor(head: Head, lines: AsyncGenerator<object>) {
    this.head = head;
    this.#lines = lines;
    this.body = piecesOf(lines);
  }

  close(): void {
    void this.#lines.return(undefined);
  }
}

async function* piecesOf(lines: AsyncGenerator<object>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield new Answer(line).bytes("piece");
}
