import { describe, expect, it } from "vitest";
import { readAll, reasons, texts } from "./reading.js";

const object = { format: "object" } as const;
const array = { format: "array" } as const;
const json = { format: "json" } as const;

describe("object", () => {
  it("takes each member's value as it is written", async () => {
    const text = '\ufeff { "a" : 1.0 ,\r\n"b":"x\\ty" , "c":{ "n" : 12345678901234567890 },"__proto__":[ 1 ],"":""}\n';
    const result = await readAll(text, object);
    expect(texts(result)).toEqual([
      ["a", "1.0"],
      ["b", "x\ty"],
      ["c", '{ "n" : 12345678901234567890 }'],
      ["__proto__", "[ 1 ]"],
    ]);
    expect(reasons(result)).toEqual([expect.stringMatching(/empty/)]);
    expect(result.error).toBeUndefined();
  });

  it("gives every duplicate, in order, for the last to win", async () => {
    expect(texts(await readAll('{"a":1,"a":2}', object))).toEqual([
      ["a", "1"],
      ["a", "2"],
    ]);
  });

  it("refuses single members, with line, offset and text, and goes on", async () => {
    const result = await readAll('{\n"a":1,\n "b\\u0000": [\n1 ] ,\n"c\\ud800":2, "d":"\\udfff","e":3}', object);
    expect(texts(result)).toEqual([
      ["a", "1"],
      ["e", "3"],
    ]);
    expect(result.rejects.map(({ line, offset }) => [line, offset])).toEqual([
      [3, 10],
      [5, 29],
      [5, 42],
    ]);
    expect(result.rejects[0]?.text.toString()).toBe('"b\\u0000": [\n1 ]');
  });

  it("takes an empty object, but no empty file", async () => {
    expect((await readAll(" { } ", object)).error).toBeUndefined();
    expect((await readAll("", object)).error?.code).toBe("empty-source");
    expect((await readAll(" \n\ufeff".slice(0, 2), json)).error?.code).toBe("empty-source");
  });

  it.each([
    ['{"a":1,\n "b":2 "c":3}', "invalid-json", 2, /comma or the closing.*line 2, column 8, byte 15/],
    ['{"a":1,"b":"x', "invalid-json", 1, /file ends inside a string/],
    ['{"a":1,"b"', "invalid-json", 1, /file ends inside an object/],
    ['{"a":1,', "invalid-json", 1, /file ends inside an object/],
    ['{"a":1', "invalid-json", 1, /file ends inside an object/],
    ['{"a":12', "invalid-json", 1, /file ends inside an object/],
    ["{", "invalid-json", 0, /file ends inside an object/],
    ['{"a":1,}', "invalid-json", 1, /comma must not come before/],
    ['{,"a":1}', "invalid-json", 0, /name in double quotes/],
    ['{"a":1}}', "invalid-json", 1, /after the end.*"}"/],
    ['{"a":1} x', "invalid-json", 1, /after the end/],
    ['{"a":1}\n[]', "invalid-json", 1, /after the end/],
    ['{"a":01}', "invalid-json", 0, /begin with a zero/],
    ["{a:1}", "invalid-json", 0, /name in double quotes/],
    ['{"a":1;"b":2}', "invalid-json", 1, /comma or the closing/],
    ['{"a":\n\n\u00a01}', "invalid-json", 0, /line 3, column 1, byte 7/],
  ])("takes what comes before the error in %j", async (text, code, before, message) => {
    for (const cuts of [[], Array.from(text, (_, i) => i)]) {
      const result = await readAll(text, object, cuts);
      expect(result.entries).toHaveLength(before);
      expect(result.error).toMatchObject({ code, kind: "usage", message: expect.stringMatching(message) });
      expect(result.error?.hint).toBeTruthy();
    }
  });
});

describe("array", () => {
  it("takes records, and refuses what is none, with its line", async () => {
    const text = '[\n{"key":"a","value":1},\n2,"x",[3],\n{"key":"b","value":{"c":[]},"ttl":5}\n, {"key":"c"},{}]';
    const result = await readAll(text, array);
    expect(texts(result)).toEqual([
      ["a", "1"],
      ["b", '{"c":[]}'],
    ]);
    expect(result.rejects.map(({ line, text: source }) => [line, source.toString()])).toEqual([
      [3, "2"],
      [3, '"x"'],
      [3, "[3]"],
      [5, '{"key":"c"}'],
      [5, "{}"],
    ]);
    expect(result.error).toBeUndefined();
  });

  it.each([
    ['[{"key":"a","value":1}', 1, /file ends inside an array/],
    ['[{"key":"a","value":1},]', 1, /comma must not come before/],
    ['[{"key":"a","value":1},{"key":"b","value":}]', 1, /can't begin with "}"/],
    ['[{"key":"a","value":1}] []', 1, /after the end/],
    ['[{"key":"a","value":1}}', 1, /closing "]"/],
    ["[", 0, /file ends inside an array/],
  ])("takes what comes before the error in %j", async (text, before, message) => {
    const result = await readAll(text, array);
    expect(result.entries).toHaveLength(before);
    expect(result.error).toMatchObject({ code: "invalid-json", message: expect.stringMatching(message) });
  });

  it("refuses a record with invalid UTF-8 and reads on", async () => {
    const bytes = Buffer.concat([
      Buffer.from('[{"key":"a","value":"'),
      Buffer.from([0xff]),
      Buffer.from('"},{"key":"b","value":"é"}]'),
    ]);
    const result = await readAll(bytes, array);
    expect(texts(result)).toEqual([["b", "é"]]);
    expect(reasons(result)[0]).toMatch(/0xff at offset 21/);
  });
});

describe("which format", () => {
  it("tells object and array of a .json apart by the first byte", async () => {
    expect(texts(await readAll(' \n{"a":1}', json))).toEqual([["a", "1"]]);
    expect(texts(await readAll(' \n[{"key":"a","value":1}]', json))).toEqual([["a", "1"]]);
  });

  it("takes [ without being told, and refuses { as it could be two", async () => {
    expect(texts(await readAll('[{"key":"a","value":1}]'))).toEqual([["a", "1"]]);
    const result = await readAll('{"key":"a","value":1}\n');
    expect(result.entries).toEqual([]);
    expect(result.error).toMatchObject({
      code: "ambiguous-format",
      hint: expect.stringMatching(/--format object.*--format ndjson/),
    });
  });

  it("refuses a .json of several objects, and writes none of their fields as entries", async () => {
    const record = '{"key":"a","value":1}\n';
    for (const cuts of [[], [5], [record.length], [record.length + 1]]) {
      const result = await readAll(record.repeat(3), json, cuts);
      expect(result.entries).toEqual([]);
      expect(result.error).toMatchObject({
        code: "looks-like-ndjson",
        message: expect.stringMatching(/line 2, column 1/),
      });
    }
  });

  it.each([
    ["1", json],
    ['"x"', json],
    ["null", undefined],
    ["key,value", undefined],
    ["[]", object],
    ["{}", array],
  ])("refuses %s where it can't be", async (text, options) => {
    expect((await readAll(text, options)).error).toMatchObject({
      code: "invalid-json",
      message: expect.stringMatching(/begins with/),
    });
  });

  it("refuses UTF-16", async () => {
    expect((await readAll(Buffer.from("\ufeff{}", "utf16le"), json)).error?.code).toBe("invalid-encoding");
  });
});

describe("size", () => {
  it("reads a value of 100 MB in each format", async () => {
    const value = `"${"x".repeat(100_000_000)}"`;
    const chunks = async function* (text: string) {
      const bytes = Buffer.from(text, "latin1");
      for (let i = 0; i < bytes.length; i += 65_536) yield bytes.subarray(i, i + 65_536);
    };
    for (const [text, format] of [
      [`{"k":${value}}`, "object"],
      [`[{"key":"k","value":${value}}]`, "array"],
      [`{"key":"k","value":${value}}\n`, "ndjson"],
    ] as const) {
      const result = await readAll(chunks(text), { format });
      expect(result.error).toBeUndefined();
      expect(result.entries.map((entry) => entry.value.length)).toEqual([100_000_000]);
    }
  });

  it("refuses a record that is larger than memory should be asked for", async () => {
    const chunk = Buffer.alloc(16 * 1024 * 1024, 0x78);
    const endless = async function* () {
      yield Buffer.from('{"key":"a","value":1}\n{"key":"b","value":"');
      for (;;) yield chunk;
    };
    const result = await readAll(endless(), { format: "ndjson" });
    expect(result.error).toMatchObject({ code: "record-too-large", message: expect.stringMatching(/line 2, byte 22/) });
  });
});
