/**
 * Many strings in one argument of a script, as a MessagePack array that Lua's `cmsgpack` takes apart in C
 * (https://github.com/msgpack/msgpack/blob/master/spec.md): an argument each costs the client and the parser more.
 */
export class Packer {
  #buffer: Buffer;
  #length = 5;
  #count = 0;

  /** @param capacity bytes expected */
  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(capacity + 64);
  }

  get bytes(): number {
    return this.#length;
  }

  add(value: string | Uint8Array): void {
    this.#count += 1;
    if (typeof value !== "string") {
      this.#header(value.length);
      this.#reserve(value.length);
      this.#buffer.set(value, this.#length);
      this.#length += value.length;
      return;
    }
    const length = Buffer.byteLength(value);
    this.#header(length);
    this.#reserve(length);
    this.#buffer.write(value, this.#length, length === value.length ? "latin1" : "utf8");
    this.#length += length;
  }

  /** The array; the packer is used up. */
  finish(): Buffer {
    this.#buffer[0] = 0xdd;
    this.#buffer.writeUInt32BE(this.#count, 1);
    return this.#buffer.subarray(0, this.#length);
  }

  #header(length: number): void {
    this.#reserve(5);
    if (length < 32) {
      this.#buffer[this.#length++] = 0xa0 | length;
    } else if (length < 65_536) {
      this.#buffer[this.#length] = 0xda;
      this.#buffer.writeUInt16BE(length, this.#length + 1);
      this.#length += 3;
    } else {
      this.#buffer[this.#length] = 0xdb;
      this.#buffer.writeUInt32BE(length, this.#length + 1);
      this.#length += 5;
    }
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

export function pack(values: Iterable<string | Uint8Array>): Buffer {
  const packer = new Packer(1024);
  for (const value of values) packer.add(value);
  return packer.finish();
}

/** The strings of a packed array; undefined for any other bytes. */
export function unpack(bytes: Buffer): Buffer[] | undefined {
  if (bytes.length < 5 || bytes[0] !== 0xdd) return undefined;
  const out: Buffer[] = [];
  let at = 5;
  for (let left = bytes.readUInt32BE(1); left > 0; left--) {
    const width = headerWidth(bytes[at]);
    if (width === 0 || at + width > bytes.length) return undefined;
    const length = width === 1 ? (bytes[at] ?? 0) & 0x1f : bytes.readUIntBE(at + 1, width - 1);
    at += width + length;
    if (at > bytes.length) return undefined;
    out.push(bytes.subarray(at - length, at));
  }
  return out;
}

/** Bytes before a string, 0 where no string of {@link Packer} begins. */
function headerWidth(lead: number | undefined): number {
  if (lead === 0xda) return 3;
  if (lead === 0xdb) return 5;
  return lead !== undefined && lead >= 0xa0 && lead < 0xc0 ? 1 : 0;
}
