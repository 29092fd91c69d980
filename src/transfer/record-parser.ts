import { isAscii, isUtf8 } from "node:buffer";
import { checkTag, type WriteEntry } from "../cache/cache.js";
import { messageOf } from "../errors.js";
import { checkKey } from "../key.js";
import { describeByte, type JsonScanner, unescapeBytes } from "./json-scanner.js";
import { bytesOfBase64, deadlineOfField, metaOfField, tagsOfField, ttlOfField } from "./record-fields.js";

const NAMES: readonly string[] = ["key", "value", "ttl", "expiresAt", "tags", "encoding", "staleAt", "meta"];
/** With the closing quote. */
const NAME_BYTES = NAMES.map((name) => Buffer.from(`${name}"`));
const UNKNOWN = -1;
const [KEY, VALUE, TTL, EXPIRES_AT, TAGS, ENCODING, STALE_AT, META] = [0, 1, 2, 3, 4, 5, 6, 7];

const QUOTE = 0x22;
const COMMA = 0x2c;
const RIGHT_BRACE = 0x7d;

/**
 * Reads records `{"key", "value", "ttl"?, "expiresAt"?, "tags"?, "encoding"?, "staleAt"?, "meta"?}` off a scanner's window. After a method
 * gave an end, either `entry` is the record, or `reason` says why it can't be one though it is valid JSON. A name given
 * twice counts as it was given last. Other names are refused: a misspelt `expiresAt` must not become an entry that stays.
 *
 * Values are views on the window, not copies, unless escapes had to be resolved.
 */
export class RecordParser {
  entry: WriteEntry | undefined;
  reason: string | undefined;
  readonly #scanner: JsonScanner;
  readonly #prefix: string;
  /** The window is valid UTF-8 throughout, so that its records need no look of their own. */
  #clean = false;
  #ascii = false;
  #starts = new Int32Array(NAMES.length);
  #ends = new Int32Array(NAMES.length);
  #escapedKey = false;
  #escapedValue = false;
  #unknown: string | undefined;
  #ttlSource = Buffer.alloc(0);
  #ttl: number | null = null;

  /** @param prefix is put before every key */
  constructor(scanner: JsonScanner, prefix: string) {
    this.#scanner = scanner;
    this.#prefix = prefix;
  }

  /** To be called when the scanner has a new window, which may end inside a character. */
  windowChanged(): void {
    const { buf } = this.#scanner;
    this.#ascii = isAscii(buf);
    this.#clean = this.#ascii || isUtf8(buf.subarray(0, wholeCharactersEnd(buf)));
  }

  /** A member of the object format: the name's quotes at `nameFrom` and before `nameEnd`, its value from `valueFrom`. */
  readMember(nameFrom: number, nameEnd: number, escapedName: boolean, valueFrom: number, valueEnd: number): void {
    this.#reset();
    this.#starts[KEY] = nameFrom;
    this.#ends[KEY] = nameEnd;
    this.#escapedKey = escapedName;
    this.#starts[VALUE] = valueFrom;
    this.#ends[VALUE] = valueEnd;
    this.#escapedValue = this.#scanner.escaped;
    this.#assemble(nameFrom, valueEnd);
  }

  /** A record from its `{`: where it ends, or -1 as the scanner's methods. */
  readRecord(from: number): number {
    const scanner = this.#scanner;
    const { buf } = scanner;
    this.#reset();
    let i = scanner.skipSpace(from + 1);
    if (i < scanner.end && buf[i] === RIGHT_BRACE) {
      this.#assemble(from, i + 1);
      return i + 1;
    }
    for (;;) {
      const nameFrom = i;
      scanner.escaped = false;
      const valueFrom = scanner.skipName(nameFrom);
      if (valueFrom < 0) return -1;
      const field = this.#fieldAt(nameFrom, scanner.nameEnd, scanner.escaped);
      scanner.escaped = false;
      i = scanner.skipValue(valueFrom);
      if (i < 0) return -1;
      if (field !== UNKNOWN) {
        this.#starts[field] = valueFrom;
        this.#ends[field] = i;
        if (field === KEY) this.#escapedKey = scanner.escaped;
        else if (field === VALUE) this.#escapedValue = scanner.escaped;
      }
      i = scanner.skipSpace(i);
      if (i >= scanner.end) return scanner.ends(i, "an object");
      const c = buf[i] as number;
      if (c === RIGHT_BRACE) {
        this.#assemble(from, i + 1);
        return i + 1;
      }
      if (c !== COMMA) return scanner.fail(i, `a comma or the closing } must come here, not ${describeByte(c)}`);
      i = scanner.skipSpace(i + 1);
    }
  }

  #reset(): void {
    this.entry = undefined;
    this.reason = undefined;
    this.#unknown = undefined;
    for (let i = 0; i < NAMES.length; i++) this.#starts[i] = -1;
  }

  /** Which field the name is that has its quotes at `from` and before `to`. */
  #fieldAt(from: number, to: number, escaped: boolean): number {
    const { buf } = this.#scanner;
    if (!escaped) {
      for (let field = 0; field < NAME_BYTES.length; field++) {
        if (startsWith(buf, from + 1, NAME_BYTES[field] as Buffer)) return field;
      }
    }
    const name = String(JSON.parse(buf.toString("utf8", from, to)));
    const field = NAMES.indexOf(name);
    if (field === UNKNOWN) this.#unknown ??= name;
    return field;
  }

  /** Makes the entry of what was found, or the reason why not. */
  #assemble(from: number, to: number): void {
    const { buf } = this.#scanner;
    if (!this.#clean && !isUtf8(buf.subarray(from, to))) {
      const at = invalidUtf8At(buf.subarray(from, to));
      this.reason = `invalid UTF-8 (byte ${describeByte(buf[from + at] as number)} at offset ${this.#scanner.base + from + at})`;
      return;
    }
    if (this.#unknown !== undefined) {
      this.reason = `unknown field ${JSON.stringify(this.#unknown.slice(0, 80))}: a record has ${NAMES.join(", ")}`;
      return;
    }
    if (this.#starts[KEY] === -1) this.reason = "the record has no key";
    else if (this.#starts[VALUE] === -1) this.reason = "the record has no value";
    else if (buf[this.#starts[KEY] as number] !== QUOTE) this.reason = "the key is no string";
    else {
      try {
        this.#build();
      } catch (error) {
        this.reason = messageOf(error);
      }
    }
  }

  #build(): void {
    const name = this.#keyText();
    if (name === undefined) {
      this.reason = "the key holds half of a surrogate pair";
      return;
    }
    const key = this.#prefix === "" ? name : this.#prefix + name;
    checkKey(key);
    const value = this.#value();
    if (value === undefined) return;
    if (this.#has(TTL) && this.#has(EXPIRES_AT)) {
      this.reason = "ttl and expiresAt are two ways to say one thing: give one of them";
      return;
    }
    const ttl = this.#has(TTL) ? this.#parseTtl() : undefined;
    const expiresAt = this.#has(EXPIRES_AT) ? deadlineOfField(this.#json(EXPIRES_AT)) : undefined;
    const tags = this.#has(TAGS) ? tagsOfField(this.#json(TAGS)) : undefined;
    if (tags !== undefined) for (const tag of tags) checkTag(tag);
    this.entry = { key, value, ttl, expiresAt, tags };
    // Few have them: the others stay of one shape.
    if (this.#has(STALE_AT)) this.entry.staleAt = deadlineOfField(this.#json(STALE_AT), "staleAt") ?? undefined;
    if (this.#has(META)) this.entry.meta = metaOfField(this.#json(META));
  }

  #value(): Buffer | undefined {
    const { buf } = this.#scanner;
    const from = this.#starts[VALUE] as number;
    const isString = buf[from] === QUOTE;
    let encoded = false;
    if (this.#has(ENCODING)) {
      if (this.#json(ENCODING) !== '"base64"') this.reason = 'encoding can only be "base64"';
      else if (!isString) this.reason = "a base64 value must be a string";
      if (this.reason !== undefined) return undefined;
      encoded = true;
    }
    if (!isString) return buf.subarray(from, this.#ends[VALUE]);
    const [inner, innerEnd] = [from + 1, (this.#ends[VALUE] as number) - 1];
    const bytes = this.#escapedValue ? unescapeBytes(buf, inner, innerEnd) : buf.subarray(inner, innerEnd);
    if (bytes === undefined) this.reason = "the value holds half of a surrogate pair, which no UTF-8 can store";
    return encoded && bytes !== undefined ? bytesOfBase64(bytes) : bytes;
  }

  /** Most records of a file share a TTL, so the last one is remembered. */
  #parseTtl(): number | null {
    const [from, to] = [this.#starts[TTL] as number, this.#ends[TTL] as number];
    if (to - from !== this.#ttlSource.length || !startsWith(this.#scanner.buf, from, this.#ttlSource)) {
      const json = this.#json(TTL);
      this.#ttl = ttlOfField(json);
      this.#ttlSource = Buffer.from(json);
    }
    return this.#ttl;
  }

  #has(field: number): boolean {
    return this.#starts[field] !== -1;
  }

  #json(field: number): string {
    return this.#scanner.buf.toString(this.#ascii ? "latin1" : "utf8", this.#starts[field], this.#ends[field]);
  }

  #keyText(): string | undefined {
    const { buf } = this.#scanner;
    const from = (this.#starts[KEY] as number) + 1;
    const to = (this.#ends[KEY] as number) - 1;
    if (this.#escapedKey) return unescapeBytes(buf, from, to)?.toString("utf8");
    return buf.toString(this.#ascii ? "latin1" : "utf8", from, to);
  }
}

function startsWith(buf: Buffer, from: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (buf[from + i] !== bytes[i]) return false;
  return true;
}

/** Where the bytes end that are whole characters, if the last of them was cut by the end of the window. */
function wholeCharactersEnd(buf: Buffer): number {
  for (let back = 1; back <= Math.min(3, buf.length); back++) {
    const c = buf[buf.length - back] as number;
    if (c < 0x80) break;
    if (c >= 0xc0) {
      const width = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      return width > back ? buf.length - back : buf.length;
    }
  }
  return buf.length;
}

/** Where the first byte is that belongs to no character; the bytes are known to hold one. */
function invalidUtf8At(bytes: Buffer): number {
  const text = bytes.toString("utf8");
  let offset = 0;
  let from = 0;
  for (;;) {
    const at = text.indexOf("\ufffd", from);
    if (at === -1) return offset;
    offset += Buffer.byteLength(text.slice(from, at));
    // The source may hold a real U+FFFD, which is valid.
    if (!(bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd)) return offset;
    offset += 3;
    from = at + 1;
  }
}
