import { describe, expect, it } from "vitest";
import { readAll, reasons, texts } from "./reading.js";

const ndjson = { format: "ndjson" } as const;
const line = (fields: string) => `{"key":"k",${fields}}`;

/** What a single NDJSON line becomes: its entry, or the reason against it. */
async function one(text: string | Buffer) {
  const result = await readAll(text, ndjson);
  expect(result.error).toBeUndefined();
  expect(result.entries.length + result.rejects.length).toBe(1);
  return { entry: result.entries[0], reason: result.rejects[0]?.reason, reject: result.rejects[0] };
}

describe("values", () => {
  it.each([
    ['"text"', "text"],
    ['""', ""],
    ['"a\\nb\\u0000\\"\\\\\\/\\b\\f\\r\\t"', 'a\nb\0"\\/\b\f\r\t'],
    ['"\\u00e9\\u20ac\\ud83d\\ude00"', "é€😀"],
    ['"é€😀"', "é€😀"],
    ["12345678901234567890", "12345678901234567890"],
    ["1.0", "1.0"],
    ["-0", "-0"],
    ["1E+2", "1E+2"],
    ["true", "true"],
    ["false", "false"],
    ["null", "null"],
    ["[ ]", "[ ]"],
    ["{}", "{}"],
    ['{ "a" : [1 , 2.50,\t{"b":null}] }', '{ "a" : [1 , 2.50,\t{"b":null}] }'],
    ['["\\ud800"]', '["\\ud800"]'],
  ])("stores %s as %j", async (source, stored) => {
    const { entry, reason } = await one(line(`"value": ${source} `));
    expect(reason).toBeUndefined();
    expect(Buffer.from(entry?.value ?? "missing").toString()).toBe(stored);
  });

  it("decodes base64, and refuses what is not exactly base64", async () => {
    const good = await one(line('"value":"AP8=","encoding":"base64"'));
    expect(good.entry?.value).toEqual(Buffer.from([0, 255]));
    expect((await one(line('"encoding":"base64","value":""'))).entry?.value.length).toBe(0);
    for (const bad of ["AP8", "AP9=", "A P8=", "AP8=\\n", "_-8=", "é"]) {
      expect((await one(line(`"value":"${bad}","encoding":"base64"`))).reason).toMatch(/no valid base64/);
    }
    expect((await one(line('"value":1,"encoding":"base64"'))).reason).toMatch(/must be a string/);
    expect((await one(line('"value":"x","encoding":"hex"'))).reason).toMatch(/can only be "base64"/);
  });

  it("takes when a value is stale, and what else belongs to it, in base64", async () => {
    const { entry } = await one(line('"value":1,"expiresAt":2000,"staleAt":1000,"meta":"AP8="'));
    expect(entry).toMatchObject({ expiresAt: 2000, staleAt: 1000, meta: Buffer.from([0, 255]) });
    expect((await one(line('"value":1,"staleAt":null'))).entry?.staleAt).toBeUndefined();
    expect((await one(line('"value":1,"staleAt":"soon"'))).reason).toMatch(/staleAt "soon" is no ISO 8601 time/);
    for (const bad of ["1", '"AP8"', "null", '{"a":1}']) {
      expect((await one(line(`"value":1,"meta":${bad}`))).reason).toMatch(/^meta /);
    }
    const long = Buffer.alloc(65_537).toString("base64");
    expect((await one(line(`"value":1,"meta":"${long}"`))).reason).toBe("meta is more than 65536 bytes");
  });

  it("refuses a value that no UTF-8 can store, rather than change it", async () => {
    for (const bad of ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\ud800", "\\ud800\\n", "a\\udfff"]) {
      expect((await one(line(`"value":"${bad}"`))).reason).toMatch(/half of a surrogate pair/);
    }
  });
});

describe("time and tags", () => {
  it.each([
    ["30", 30_000],
    ["0.5", 500],
    ["1e3", 1_000_000],
    ['"30"', 30_000],
    ['"1h30m"', 5_400_000],
    ['"none"', null],
  ])("takes ttl %s", async (ttl, ms) => {
    const { entry, reason } = await one(line(`"value":1,"ttl":${ttl}`));
    expect(reason).toBeUndefined();
    expect(entry?.ttl).toBe(ms);
  });

  it.each(["0", "-1", '""', '"soon"', "null", "true", "[]", "{}", "1e300", "1e-9", '"0s"'])(
    "refuses ttl %s",
    async (ttl) => {
      expect((await one(line(`"value":1,"ttl":${ttl}`))).reason).toBeTruthy();
    },
  );

  it.each([
    ["1700000000000", 1_700_000_000_000],
    ["1700000000000.7", 1_700_000_000_000],
    ["null", null],
    ['"2030-01-02T03:04:05Z"', Date.UTC(2030, 0, 2, 3, 4, 5)],
    ['"2030-01-02T03:04:05.678+02:00"', Date.UTC(2030, 0, 2, 1, 4, 5, 678)],
    ['"2030-01-02T03:04Z"', Date.UTC(2030, 0, 2, 3, 4)],
    ['"2028-02-29"', Date.UTC(2028, 1, 29)],
  ])("takes expiresAt %s", async (expiresAt, ms) => {
    const { entry, reason } = await one(line(`"value":1,"expiresAt":${expiresAt}`));
    expect(reason).toBeUndefined();
    expect(entry?.expiresAt).toBe(ms);
  });

  it.each([
    '"2030-01-02T03:04:05"',
    '"2030-02-30"',
    '"2030-13-01"',
    '"tomorrow"',
    "true",
    "1e300",
    "[]",
    '"1700000000000"',
  ])("refuses expiresAt %s", async (expiresAt) => {
    expect((await one(line(`"value":1,"expiresAt":${expiresAt}`))).reason).toMatch(/expiresAt/);
  });

  it("takes tags, and refuses what are none", async () => {
    expect((await one(line('"value":1,"tags":["a","\\u00e9"]'))).entry?.tags).toEqual(["a", "é"]);
    expect((await one(line('"value":1,"tags":[]'))).entry?.tags).toEqual([]);
    for (const bad of ['"a"', "[1]", "null", "{}", '[["a"]]']) {
      expect((await one(line(`"value":1,"tags":${bad}`))).reason).toMatch(/array of strings/);
    }
    for (const bad of ['[""]', '["\\u0000"]', '["\\ud800"]', `["${"x".repeat(257)}"]`]) {
      expect((await one(line(`"value":1,"tags":${bad}`))).reason).toMatch(/can't be a tag/);
    }
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect((await one(line(`"value":1,"tags":${deep}`))).reason).toBeTruthy();
  });

  it("takes the last of a field that is given twice, also one written with escapes", async () => {
    const { entry } = await one('{"key":"a","value":1,"ke\\u0079":"b","value":"2"}');
    expect([entry?.key, Buffer.from(entry?.value ?? "").toString()]).toEqual(["b", "2"]);
  });
});

describe("keys", () => {
  it.each([["__proto__"], ["constructor"], ["a b"], ["*[x]?"], ["é😀"], ["a\nb"], [" "], ["x".repeat(1024)]])(
    "takes %j",
    async (key) => {
      expect((await one(JSON.stringify({ key, value: 1 }))).entry?.key).toBe(key);
    },
  );

  it.each([
    ['{"key":"","value":1}', /empty/],
    ['{"key":"a\\u0000b","value":1}', /NUL/],
    ['{"key":"\\ud800","value":1}', /surrogate/],
    ['{"key":"a\\udc80","value":1}', /surrogate/],
    [`{"key":"${"x".repeat(1025)}","value":1}`, /too long/],
    [`{"key":"${"é".repeat(513)}","value":1}`, /too long/],
    ['{"key":1,"value":1}', /no string/],
    ['{"key":null,"value":1}', /no string/],
    ['{"value":1}', /no key/],
    ['{"key":"a"}', /no value/],
    ["{}", /no key/],
    ['{"key":"a","value":1,"expires_at":5}', /unknown field "expires_at".*expiresAt/],
    ['{"key":"a","value":1,"__proto__":{}}', /unknown field "__proto__"/],
  ])("refuses %s", async (text, reason) => {
    expect((await one(text)).reason).toMatch(reason);
  });

  it("puts the prefix before every key, and checks the whole", async () => {
    const result = await readAll(
      `${line('"value":1')}\n{"key":"${"x".repeat(1020)}","value":1}\n{"key":"","value":2}`,
      {
        ...ndjson,
        prefix: "app:",
      },
    );
    expect(texts(result)).toEqual([
      ["app:k", "1"],
      [`app:${"x".repeat(1020)}`, "1"],
      ["app:", "2"],
    ]);
    expect(reasons(await readAll(`{"key":"${"x".repeat(1021)}","value":1}`, { ...ndjson, prefix: "app:" }))[0]).toMatch(
      /too long/,
    );
  });
});

describe("lines", () => {
  it("reads past bad lines, and says line, offset, reason and the record itself", async () => {
    const good = '{"key":"a","value":1}';
    const bad = '{"key":"b","value":01}';
    const result = await readAll(`${good}\n\n  \n${bad}\r\n${good}\r\n`, ndjson);
    expect(texts(result)).toEqual([
      ["a", "1"],
      ["a", "1"],
    ]);
    expect(result.rejects).toHaveLength(1);
    expect(result.rejects[0]).toMatchObject({ source: "source", line: 4, offset: good.length + 5 });
    expect(result.rejects[0]?.text.toString()).toBe(bad);
    expect(result.rejects[0]?.reason).toMatch(/begin with a zero \(column 20\)/);
  });

  it("takes a BOM, CRLF, blank lines, a last line without its break, and nothing at all", async () => {
    expect(texts(await readAll(`\ufeff${line('"value":1')}\r\n\r\n\t\n${line('"value":2')}`, ndjson))).toEqual([
      ["k", "1"],
      ["k", "2"],
    ]);
    for (const nothing of ["", "\n", "\ufeff", "\r\n \n"]) {
      const result = await readAll(nothing, ndjson);
      expect([result.entries.length, result.rejects.length, result.error]).toEqual([0, 0, undefined]);
    }
  });

  it.each([
    ['{"key":"a","value":1} {"key":"b","value":2}', /one record/],
    ['{"key":"a","value":1},', /one record/],
    ['{"key":"a","value":', /line ends inside/],
    ['{"key":"a","value":"x', /line ends inside a string/],
    ['{"key":"a","value":"x\\', /line ends inside a string/],
    ['{"key":"a","value":"\\u00', /line ends inside a string/],
    ['{"key":"a","value":tru', /line ends inside/],
    ['{"key":"a","value":-', /line ends inside a number/],
    ["{", /line ends inside an object/],
    ["[1]", /this is an array/],
    ['"x"', /this is a string/],
    ["1", /this is a number/],
    ["key,value", /can't begin with "k"/],
    ["{'key':'a'}", /double quotes/],
    ['{"key":"a","value":\'x\'}', /double quotes/],
    ['{"key":"a","value":1,}', /comma must not come before/],
    ['{"key":"a","value":[1,]}', /comma must not come before/],
    ['{"key":"a","value":[,1]}', /can't begin with ","/],
    ['{"key" "a"}', /colon/],
    ['{"key":"a" "value":1}', /comma or the closing/],
    ['{"key":"a","value":{"x":1]}', /comma or the closing "}"|comma or the closing }/],
    ['{"key":"a","value":1.}', /digit/],
    ['{"key":"a","value":1e}', /digit/],
    ['{"key":"a","value":.5}', /can't begin/],
    ['{"key":"a","value":+1}', /can't begin/],
    ['{"key":"a","value":NaN}', /can't begin/],
    ['{"key":"a","value":Infinity}', /can't begin/],
    ['{"key":"a","value":nul}', /"null" is meant/],
    ['{"key":"a","value":"a\tb"}', /control character/],
    ['{"key":"a","value":"\\x41"}', /no escape/],
    ['{"key":"a","value":"\\u12g4"}', /four hexadecimal/],
    ['{"key":"a",/* */"value":1}', /name in double quotes/],
    ['{"key":"a","value":1}\u00a0', /one record/],
  ])("refuses %s", async (text, reason) => {
    const result = await readAll(`${text}\n{"key":"next","value":1}`, ndjson);
    expect(reasons(result)).toEqual([expect.stringMatching(reason)]);
    expect(texts(result)).toEqual([["next", "1"]]);
  });

  it("refuses invalid UTF-8 in one line with its offset, and takes the others", async () => {
    const good = Buffer.from('{"key":"é","value":"\ufffd"}\n');
    const bad = Buffer.concat([
      Buffer.from('{"key":"b","value":"\ufffdx'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n'),
    ]);
    const result = await readAll(Buffer.concat([good, bad, good]), ndjson);
    expect(texts(result)).toEqual([
      ["é", "\ufffd"],
      ["é", "\ufffd"],
    ]);
    expect(result.rejects[0]?.reason).toContain(`0xc3 at offset ${good.length + bad.indexOf(0xc3)}`);
    expect(result.rejects[0]?.line).toBe(2);
    for (const bytes of [[0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf8, 0x88, 0x80, 0x80], [0x80], [0xe2, 0x82]]) {
      const text = Buffer.concat([Buffer.from('{"key":"b","value":"'), Buffer.from(bytes), Buffer.from('"}')]);
      expect((await one(text)).reason).toMatch(/invalid UTF-8/);
    }
  });

  it("survives nesting of 100,000 levels, closed or not", async () => {
    const deep = `${"[".repeat(100_000)}1${"]".repeat(100_000)}`;
    const objects = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const result = await readAll(
      [deep, objects, "[".repeat(100_000)].map((v) => `{"key":"k","value":${v}}`).join("\n"),
      ndjson,
    );
    expect(texts(result).map(([, value]) => value)).toEqual([deep, objects]);
    expect(reasons(result)[0]).toMatch(/comma|can't begin/);
  });

  it("gives batches of the size asked for, and smaller ones of large values", async () => {
    const many = Array.from({ length: 1201 }, (_, i) => `{"key":"k${i}","value":${i}}`).join("\n");
    expect((await readAll(many, { ...ndjson, batchSize: 500 })).batches).toBe(3);
    const large = Array.from({ length: 8 }, (_, i) => `{"key":"k${i}","value":"${"x".repeat(1_100_000)}"}`).join("\n");
    expect((await readAll(large, ndjson)).batches).toBe(4);
  });
});
