import { describe, expect, test } from "vitest";
import { previewOfBytes, previewOfForeign } from "../../../src/cli/screen/preview.js";

const preview = (text: string, size = Buffer.byteLength(text)) => previewOfBytes(Buffer.from(text), size);

describe("the preview of a value", () => {
  test("is JSON indented, with numbers as they are", () => {
    expect(preview('{"a":[1,12345678901234567890],"b":"é"}')).toEqual([
      "{",
      '  "a": [',
      "    1,",
      "    12345678901234567890",
      "  ],",
      '  "b": "é"',
      "}",
    ]);
  });

  test("is text without what could move the cursor", () => {
    expect(preview("a\tb\r\nc\u001b[2J\u009b\u202e")).toEqual(["a  b", "c\\x1b[2J\\x9b\\u202e"]);
    expect(preview('{"a":"\\u001b","b":"\u009b"}').join("\n")).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  test("of the beginning of a value is text too, also when it ends within a character", () => {
    const bytes = Buffer.from('{"a":"日').subarray(0, 8);
    expect(previewOfBytes(bytes, 1000)).toEqual(['{"a":"']);
  });

  test("of other bytes is hex", () => {
    expect(previewOfBytes(Buffer.from([0xff, 0x41, 0x1b]), 3)).toEqual([`ff 41 1b ${" ".repeat(39)} .A.`]);
    expect(previewOfBytes(Buffer.alloc(40, 0xff), 4000)).toHaveLength(3);
  });

  test("is bounded", () => {
    const lines = preview(`${"x".repeat(9000)}\n${"y\n".repeat(5000)}`);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toHaveLength(2000);
    expect(previewOfBytes(Buffer.alloc(16_384, 0xff), 1e9)).toHaveLength(100);
    expect(preview("")).toEqual([""]);
  });

  test("of another type is an element a line", () => {
    const items = [["f\u001b", "v"], "x"];
    expect(previewOfForeign({ type: "hash", items, truncated: true })).toEqual(['["f\\u001b","v"]', '"x"', "…"]);
  });
});
