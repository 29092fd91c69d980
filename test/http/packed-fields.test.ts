import { describe, expect, test } from "vitest";
import type { Fields } from "../../src/http/message.js";
import { packFields, unpackFields } from "../../src/http/packed-fields.js";
import { decodeHead, encodeHead, type StoredResponse } from "../../src/http/stored-response.js";

const through = (fields: Fields) => unpackFields(JSON.parse(JSON.stringify(packFields(fields))));

describe("fields as they are stored", () => {
  test.each<[string, Fields]>([
    ["known names in their own spelling", ["Content-Type", "a", "content-type", "b", "CONTENT-TYPE", "c", "Etag", "d"]],
    ["what is not known", ["X-Mine", "1", "", "", "0", "1", "-1", "2"]],
    [
      "dates in their usual form",
      ["Date", "Sun, 06 Nov 1994 08:49:37 GMT", "expires", "Thu, 01 Jan 1970 00:00:00 GMT"],
    ],
    ["dates in other forms", ["Date", "Sunday, 06-Nov-94 08:49:37 GMT", "Expires", "Sun Nov  6 08:49:37 1994"]],
    [
      "dates that are wrong by a letter",
      ["Date", "Mon, 06 Nov 1994 08:49:37 GMT", "Date", "sun, 06 Nov 1994 08:49:37 GMT"],
    ],
    [
      "what is no date",
      ["Expires", "0", "Expires", "-1", "Last-Modified", "", "Date", "Sat, 31 Dec 9999 23:59:60 GMT"],
    ],
    ["dates before the epoch", ["Last-Modified", "Wed, 31 Dec 1969 23:59:59 GMT"]],
    ["values that are numbers", ["Age", "17", "Content-Type", "3"]],
    ["bytes beyond ASCII", ["X-Text", "caf\xe9", "ETag", '"\xff"']],
    ["nothing", []],
  ])("are the same letter by letter: %s", (_, fields) => {
    expect(through(fields)).toEqual(fields);
  });

  test("take little where they are usual", () => {
    const fields = ["Content-Type", "text/plain", "Date", "Sun, 06 Nov 1994 08:49:37 GMT"];
    expect(packFields(fields)).toEqual([0, "text/plain", 3, 784111777]);
  });

  test.each([null, {}, "text", ["a"], [99, "x"], [-99, "x"], [0.5, "x"], [0, null], [0, 0.5], [0, 1e300], [[], "x"]])(
    "are nothing where they were never packed: %j",
    (packed) => {
      expect(unpackFields(packed)).toBeUndefined();
    },
  );
});

describe("a response as it is stored", () => {
  const RESPONSE: StoredResponse = {
    status: 200,
    fields: ["ETag", '"1"'],
    requestTime: 1_795_285_631_123,
    responseTime: 1_795_285_631_125,
    lifetimeMs: 60_000,
    lifetimeSource: "max-age",
    initialAgeMs: 250.5,
    noCache: false,
    mustRevalidate: true,
    forAuthorized: false,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    hasValidator: true,
  };

  test.each<[string, Partial<StoredResponse>]>([
    ["plain", {}],
    ["with stale windows", { staleWhileRevalidateMs: 1000 }],
    ["kept for failures", { staleIfErrorMs: 2000, noCache: true, forAuthorized: true, mustRevalidate: false }],
    ["coded", { coding: "gzip", fields: [] }],
    ["with clocks that went back", { requestTime: 1_795_285_631_200 }],
  ])("is the same when it is read: %s", (_, changes) => {
    const response = { ...RESPONSE, ...changes };
    expect(decodeHead(encodeHead({ response }))).toEqual({ response });
  });

  test.each([
    '["r1",200,0,[1,1],[0,0,0,0],"max-age",[]]',
    '["r2",200,0,[1,1,0],"max-age",[]]',
    '["r2",200,0,[1,1,0,0,5],"max-age",[]]',
    '["r2",200,0,[1,1,0,"0"],"max-age",[]]',
    '["r2",200,0,[1,1,0,0],"max-age",["a"]]',
    '["r2",200,0,[1,1,0,0],"max-age",["Transfer-Encoding","chunked"]]',
    '["r2",200,0,[1,1,0,0],"max-age",["connection","close"]]',
    '["r3"]',
    "[]",
    "{}",
    "",
  ])("is none where it is %j", (text) => {
    expect(decodeHead(new TextEncoder().encode(text))).toBeUndefined();
  });
});
