import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { responseKey, variantKey } from "../../src/http/key.js";
import { checkKey } from "../../src/key.js";

const URL = "http://a.example/x?y=1";
const sha128 = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

describe("the key of a response", () => {
  test("RFC 9111 §2: it is made of the method and the target URI", () => {
    expect(responseKey("GET", URL)).toBe(`r:GET ${URL}`);
    expect(responseKey("POST", URL)).toBe(`r:POST ${URL}`);
  });

  test("RFC 9110 §9.3.2: HEAD is answered from what GET stored", () => {
    expect(responseKey("HEAD", URL)).toBe(responseKey("GET", URL));
    expect(responseKey("HEAD", URL, "x")).toBe(responseKey("GET", URL, "x"));
  });

  test("what a rule adds makes another key, and is not readable in it", () => {
    const key = responseKey("GET", URL, "authorization: Bearer s3cret");
    expect(key).toBe(`r:GET ${URL} ${sha128("authorization: Bearer s3cret")}`);
    expect(responseKey("GET", URL, "")).not.toBe(responseKey("GET", URL));
    expect(responseKey("GET", URL, "a")).not.toBe(responseKey("GET", URL, "b"));
  });

  test("what is longer than 900 bytes is cut, and tells long URLs apart", () => {
    const long = `http://a.example/${"p".repeat(3000)}`;
    const whole = `r:GET ${long}`;
    expect(responseKey("GET", long)).toBe(`${whole.slice(0, 900)}#${sha128(whole)}`);
    expect(responseKey("GET", `${long}1`)).not.toBe(responseKey("GET", `${long}2`));
    expect(responseKey("GET", long, "a")).not.toBe(responseKey("GET", long, "b"));
    const fits = `http://a.example/${"p".repeat(900 - "r:GET http://a.example/".length)}`;
    expect(responseKey("GET", fits)).toBe(`r:GET ${fits}`);
    expect(responseKey("GET", `${fits}p`)).toMatch(/#[0-9a-f]{32}$/);
  });

  test("any text makes a key that every store takes", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 2000 }).map((made) => made.replaceAll("\0", ""));
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (url, extra) => {
        checkKey(responseKey("GET", `http://a.example/${url}`, extra));
      }),
    );
    for (let length = 290; length < 310; length++) checkKey(responseKey("GET", "€".repeat(length)));
  });
});

describe("the key of a variant", () => {
  test("RFC 9111 §4.1: requests with the same nominated fields have the same", () => {
    const key = variantKey("g1", ["accept-language"], ["Accept-Language", "de", "X", "1"]);
    expect(key).toMatch(/^v:g1:[0-9a-f]{32}$/);
    expect(variantKey("g1", ["accept-language"], ["X", "2", "accept-language", "de"])).toBe(key);
    expect(variantKey("g1", ["accept-language"], ["Accept-Language", "en"])).not.toBe(key);
    expect(variantKey("g1", ["accept"], ["Accept-Language", "de"])).not.toBe(key);
  });

  test("another generation has none of the variants", () => {
    expect(variantKey("g1", ["accept"], [])).not.toBe(variantKey("g2", ["accept"], []));
  });

  test("is the same when it is no longer remembered", () => {
    const keyOf = (agent: string) => variantKey("g", ["user-agent"], ["User-Agent", agent]);
    const before = keyOf("a");
    const keys = new Set(Array.from({ length: 3000 }, (_, i) => keyOf(`agent ${i} ${"x".repeat(i % 400)}`)));
    expect(keys.size).toBe(3000);
    expect(keyOf("a")).toBe(before);
  });
});
