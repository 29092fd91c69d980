import { CacheError } from "../errors.js";
import { type BatchBuilder, type Framing, notARecord, type Progress, type ReadPosition } from "./batch.js";
import { describeByte, type JsonScanner } from "./json-scanner.js";
import type { RecordParser } from "./record-parser.js";

const COMMA = 0x2c;
const LEFT_BRACE = 0x7b;
const LEFT_BRACKET = 0x5b;

/** A JSON object of `name: value`, or a JSON array of records: one document, which a syntax error ends. */
export class DocumentFraming implements Framing {
  pos = 0;
  error: CacheError | undefined;
  #state: ReadPosition["state"];
  readonly #format: "object" | "array";
  /** The line as it was at `pos`. */
  #line: number;
  #lineStart: number;

  /** @param position where to begin; its format is `object` or `array` */
  constructor(
    private readonly scanner: JsonScanner,
    private readonly parser: RecordParser,
    private readonly batch: BatchBuilder,
    position: ReadPosition,
  ) {
    this.#format = position.format === "object" ? "object" : "array";
    this.#state = position.state;
    this.#line = position.line;
    this.#lineStart = position.lineStart;
  }

  position(): ReadPosition {
    const offset = this.scanner.base + this.pos;
    return { format: this.#format, offset, line: this.#line, lineStart: this.#lineStart, state: this.#state };
  }

  /** The record that the last window cut is read again, its line breaks too. */
  windowChanged(): void {
    this.scanner.line = this.#line;
    this.scanner.lineStart = this.#lineStart;
  }

  advance(): Progress {
    const { scanner } = this;
    while (!this.batch.full) {
      const end = this.#step();
      if (end < 0) {
        if (scanner.problem !== undefined) return this.#fail();
        return "more";
      }
      this.pos = end;
      this.#line = scanner.line;
      this.#lineStart = scanner.lineStart;
      if (this.#state === "done" && end >= scanner.end) return "more";
    }
    return "full";
  }

  /** Over the next record with the comma before it, or over the closing bracket. */
  #step(): number {
    const { scanner } = this;
    const { buf } = scanner;
    let i = scanner.skipSpace(this.pos);
    if (this.#state === "done") return i < scanner.end ? this.#failTrailing(i) : i;
    if (i >= scanner.end) return scanner.ends(i, this.#inside());
    const c = buf[i] as number;
    const opening = this.#state === "start";
    if (opening) {
      const wanted = this.#format === "object" ? LEFT_BRACE : LEFT_BRACKET;
      if (c !== wanted) {
        return scanner.fail(i, `${this.#inside()} must begin with ${describeByte(wanted)}, not ${describeByte(c)}`);
      }
    } else if (c === this.#closing()) return this.#close(i);
    else if (c !== COMMA) {
      return scanner.fail(
        i,
        `a comma or the closing ${describeByte(this.#closing())} must come here, not ${describeByte(c)}`,
      );
    }
    i = scanner.skipSpace(i + 1);
    if (i >= scanner.end) return scanner.ends(i, this.#inside());
    if (buf[i] === this.#closing()) {
      return opening ? this.#close(i) : scanner.fail(i, "a comma must not come before the closing bracket");
    }
    const end = this.#format === "object" ? this.#readMember(i) : this.#readElement(i);
    if (end >= 0) this.#state = "after";
    return end;
  }

  #readMember(from: number): number {
    const { scanner, parser } = this;
    const line = scanner.line;
    scanner.escaped = false;
    const valueFrom = scanner.skipName(from);
    if (valueFrom < 0) return -1;
    const nameEnd = scanner.nameEnd;
    const escapedName = scanner.escaped;
    scanner.escaped = false;
    const end = scanner.skipValue(valueFrom);
    if (end < 0) return -1;
    parser.readMember(from, nameEnd, escapedName, valueFrom, end);
    this.#accept(from, end, line);
    return end;
  }

  #readElement(from: number): number {
    const { scanner, parser } = this;
    const line = scanner.line;
    const first = scanner.buf[from] as number;
    const end = first === LEFT_BRACE ? parser.readRecord(from) : scanner.skipValue(from);
    if (end < 0) return -1;
    if (first === LEFT_BRACE) this.#accept(from, end, line);
    else this.batch.reject(from, end, line, notARecord(first));
    return end;
  }

  /** Takes what the parser made of the record in `from` to `to`. */
  #accept(from: number, to: number, line: number): void {
    const { entry, reason } = this.parser;
    if (entry !== undefined) this.batch.add(entry);
    else this.batch.reject(from, to, line, reason ?? "");
  }

  #close(at: number): number {
    this.#state = "done";
    return at + 1;
  }

  #closing(): number {
    return this.#format === "object" ? 0x7d : 0x5d;
  }

  #inside(): string {
    return this.#format === "object" ? "an object" : "an array";
  }

  #failTrailing(at: number): -1 {
    if (this.#several(at)) return this.scanner.fail(at, "several objects follow each other, which looks like NDJSON");
    const found = describeByte(this.scanner.buf[at] as number);
    return this.scanner.fail(at, `nothing can come after the end of the document, but here is ${found}`);
  }

  #several(at: number): boolean {
    return this.#state === "done" && this.#format === "object" && this.scanner.buf[at] === LEFT_BRACE;
  }

  #fail(): Progress {
    const { scanner } = this;
    const { line, column, offset } = scanner.place(scanner.at);
    const several = this.#several(scanner.at);
    this.error = new CacheError(
      "usage",
      several ? "looks-like-ndjson" : "invalid-json",
      `${this.batch.source}: ${scanner.problem} (line ${line}, column ${column}, byte ${offset})`,
      { hint: several ? "Say --format ndjson." : "Correct the source; a JSON document can't be read past an error." },
    );
    return "failed";
  }
}
