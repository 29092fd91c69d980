import type { EntryWriter, Lease, SetOutcome } from "../backend.js";
import { TRANSFORM_MAGIC } from "../envelope.js";
import { SEGMENT_BYTES, type Segments } from "./cipher.js";
import { isTransformed, makeHeader } from "./header.js";

/** Encrypts what is written, segment by segment. One is always held back, since the last is marked as such. To be called one after the other. */
export class EncryptingWriter implements EntryWriter {
  readonly #inner: EntryWriter;
  readonly #segments: Segments;
  readonly #held = Buffer.alloc(SEGMENT_BYTES);
  #length = 0;
  #number = 0;
  #ended = false;

  private constructor(inner: EntryWriter, segments: Segments) {
    this.#inner = inner;
    this.#segments = segments;
  }

  static async begin(inner: EntryWriter, header: Buffer, segments: Segments): Promise<EncryptingWriter> {
    await inner.write(header);
    return new EncryptingWriter(inner, segments);
  }

  async write(piece: Uint8Array): Promise<void> {
    // The store says what is wrong with that.
    if (this.#ended) return this.#inner.write(piece);
    let rest = piece;
    while (rest.length > 0) {
      if (this.#length === SEGMENT_BYTES) await this.#flush(false);
      const part = rest.subarray(0, SEGMENT_BYTES - this.#length);
      this.#held.set(part, this.#length);
      this.#length += part.length;
      rest = rest.subarray(part.length);
    }
  }

  async #flush(last: boolean): Promise<void> {
    const sealed = this.#segments.seal(this.#number, last, this.#held.subarray(0, this.#length));
    this.#number += 1;
    this.#length = 0;
    await this.#inner.write(sealed);
  }

  async commit(lease?: Lease): Promise<SetOutcome> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#flush(true);
    }
    return this.#inner.commit(lease);
  }

  abort(): Promise<void> {
    this.#ended = true;
    return this.#inner.abort();
  }
}

/** Passes on what is written, with a header in front where it begins like one. To be called one after the other. */
export class PlainWriter implements EntryWriter {
  readonly #inner: EntryWriter;
  /** The first bytes, until it is clear what they are. */
  #start: Buffer | undefined = Buffer.alloc(0);

  constructor(inner: EntryWriter) {
    this.#inner = inner;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#start === undefined) return this.#inner.write(piece);
    this.#start = Buffer.concat([this.#start, piece]);
    const { length } = this.#start;
    if (length >= TRANSFORM_MAGIC.length || (length > 0 && this.#start[0] !== TRANSFORM_MAGIC[0])) await this.#begin();
  }

  async #begin(): Promise<void> {
    const start = this.#start;
    this.#start = undefined;
    if (start === undefined || start.length === 0) return;
    if (isTransformed(start)) {
      await this.#inner.write(makeHeader({ algorithm: undefined, size: undefined, encryption: undefined }));
    }
    await this.#inner.write(start);
  }

  async commit(lease?: Lease): Promise<SetOutcome> {
    await this.#begin();
    return this.#inner.commit(lease);
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }
}
