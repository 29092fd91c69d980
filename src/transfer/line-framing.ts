import { type BatchBuilder, type Framing, notARecord, type Progress, type ReadPosition } from "./batch.js";
import { describeByte, type JsonScanner } from "./json-scanner.js";
import type { RecordParser } from "./record-parser.js";

const NEWLINE = 0x0a;
const LEFT_BRACE = 0x7b;

/** Newline-delimited JSON: each line stands alone, so a bad one spoils no other. */
export class LineFraming implements Framing {
  pos = 0;
  readonly error = undefined;
  #searched = 0;

  constructor(
    private readonly scanner: JsonScanner,
    private readonly parser: RecordParser,
    private readonly batch: BatchBuilder,
  ) {}

  windowChanged(): void {
    this.#searched = 0;
  }

  position(): ReadPosition {
    const { base, line, lineStart } = this.scanner;
    return { format: "ndjson", offset: base + this.pos, line, lineStart, state: "after" };
  }

  advance(): Progress {
    const { scanner } = this;
    const { buf } = scanner;
    while (this.pos < buf.length) {
      if (this.batch.full) return "full";
      let newline = buf.indexOf(NEWLINE, Math.max(this.pos, this.#searched));
      if (newline < 0) {
        if (!scanner.final) {
          this.#searched = buf.length;
          return "more";
        }
        newline = buf.length;
      }
      this.#readLine(this.pos, newline);
      this.pos = Math.min(newline + 1, buf.length);
      scanner.line += 1;
      scanner.lineStart = scanner.base + this.pos;
    }
    return "more";
  }

  #readLine(from: number, lineEnd: number): void {
    const { scanner, parser } = this;
    const { buf } = scanner;
    const final = scanner.final;
    scanner.end = lineEnd;
    scanner.final = true;
    scanner.unit = "line";
    const start = scanner.skipSpace(from);
    if (start < lineEnd) {
      const first = buf[start] as number;
      const end = first === LEFT_BRACE ? parser.readRecord(start) : scanner.skipValue(start);
      const after = end < 0 ? end : scanner.skipSpace(end);
      const reason = after === lineEnd && first === LEFT_BRACE ? parser.reason : this.#reason(first, after);
      if (reason === undefined && parser.entry !== undefined) this.batch.add(parser.entry);
      else this.batch.reject(start, lineEndWithoutReturn(buf, lineEnd), scanner.line, reason ?? "");
    }
    scanner.end = buf.length;
    scanner.final = final;
  }

  #reason(first: number, after: number): string {
    const { scanner } = this;
    if (after === scanner.end) return notARecord(first);
    const at = after < 0 ? scanner.at : after;
    let problem = scanner.problem;
    if (after >= 0) problem = `a line holds one record, and ${describeByte(scanner.buf[at] as number)} comes after it`;
    return `${problem} (column ${scanner.place(at).column})`;
  }
}

function lineEndWithoutReturn(buf: Buffer, lineEnd: number): number {
  return buf[lineEnd - 1] === 0x0d ? lineEnd - 1 : lineEnd;
}
