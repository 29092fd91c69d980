import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAll, texts } from "./reading.js";

const space = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\r"), maxLength: 3 });
const inlineSpace = fc.string({ unit: fc.constantFrom(" ", "\t"), maxLength: 2 });

/** Texts of strings, with any escapes that JSON knows. */
const stringText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 5 }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom("\\/", "\\b", "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\u20AC", "é", "😀", ":", ",", "}", "]"),
    ),
    { maxLength: 4 },
  )
  .map((parts) => `"${parts.join("")}"`)
  .filter((text) => String(JSON.parse(text)).isWellFormed());

const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  fc.constantFrom("0", "-0", "1.0", "1E5", "1e-5", "12345678901234567890", "0.10", "-1.5e+300"),
);

/** Texts of any JSON, with spacing. */
function jsonText(gap: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      stringText,
      numberText,
      fc.constantFrom("true", "false", "null"),
      fc
        .tuple(
          gap,
          fc.array(
            fc.tuple(gap, tie("value"), gap).map((parts) => parts.join("")),
            { maxLength: 4 },
          ),
        )
        .map(([empty, items]) => `[${items.length === 0 ? empty : items.join(",")}]`),
      fc
        .tuple(
          gap,
          fc.array(
            fc.tuple(gap, stringText, gap, fc.constant(":"), gap, tie("value"), gap).map((parts) => parts.join("")),
            { maxLength: 4 },
          ),
        )
        .map(([empty, members]) => `{${members.length === 0 ? empty : members.join(",")}}`),
    ),
  })).value;
}

const keyText = stringText.filter((text) => {
  const key = String(JSON.parse(text));
  return key !== "" && !key.includes("\0");
});

const cuts = fc.array(fc.nat({ max: 2000 }), { maxLength: 30 });

/** What has to be stored for a value's text. */
const storedFor = (text: string) => (text.startsWith('"') ? String(JSON.parse(text)) : text);

describe("any JSON, cut anywhere", () => {
  it("gives an object's values as they are written", async () => {
    const members = fc.array(fc.tuple(keyText, jsonText(space)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(members, space, cuts, async (pairs, gap, at) => {
        const text = `${gap}{${gap}${pairs.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}${gap}`;
        const result = await readAll(text, { format: "object" }, at);
        expect(result.error).toBeUndefined();
        expect(texts(result)).toEqual(pairs.map(([key, value]) => [JSON.parse(key), storedFor(value)]));
      }),
      { numRuns: 300 },
    );
  });

  it("gives the values of NDJSON and arrays as they are written", async () => {
    const records = fc.array(fc.tuple(keyText, jsonText(inlineSpace)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        records,
        inlineSpace,
        cuts,
        fc.constantFrom("\n", "\r\n", "\n\n"),
        async (pairs, gap, at, end) => {
          const lines = pairs.map(
            ([key, value]) => `${gap}{${gap}"value"${gap}:${gap}${value}${gap},"key":${gap}${key}}${gap}`,
          );
          const expected = pairs.map(([key, value]) => [JSON.parse(key), storedFor(value)]);
          expect(texts(await readAll(lines.join(end), { format: "ndjson" }, at))).toEqual(expected);
          expect(texts(await readAll(`[${lines.join(",")}]`, { format: "array" }, at))).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("reads the same wherever one document is cut, byte for byte", async () => {
    const text = '\ufeff{\r\n "é😀\\n": {"x":[1.0, -2e+5,true ,null]} ,"b":"\\ud83d\\ude00\\\\é", "c":\n123 }\n';
    const whole = texts(await readAll(text, { format: "json" }));
    expect(whole).toHaveLength(3);
    const length = Buffer.byteLength(text);
    for (let i = 1; i < length; i++) expect(texts(await readAll(text, { format: "json" }, [i]))).toEqual(whole);
    const everywhere = Array.from({ length }, (_, i) => i);
    expect(texts(await readAll(text, { format: "json" }, everywhere))).toEqual(whole);
  });

  it("agrees with JSON.parse on what is JSON, also after a change of one byte", async () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom(..."{}[]\",:\\0-+.eEtu \n\t\u0001x'/"));
    await fc.assert(
      fc.asyncProperty(jsonText(inlineSpace), change, async (text, [where, char]) => {
        const at = where % (text.length + 1);
        const changed = text.slice(0, at) + char + text.slice(at + 1);
        // The change may split a surrogate pair, whose half has no UTF-8.
        const line = `{"key":"k","value":${changed}}`.replaceAll("\n", " ").toWellFormed();
        const result = await readAll(line, { format: "ndjson" });
        const valid = isRecord(line);
        expect(result.entries.length).toBe(valid ? 1 : 0);
      }),
      { numRuns: 1000 },
    );
  });
});

/** Whether JSON.parse takes the line, and its value could be stored. */
function isRecord(line: string): boolean {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== "object" || parsed === null || !("value" in parsed)) return false;
    const known = Object.keys(parsed).every((name) => name === "key" || name === "value");
    return known && (typeof parsed.value !== "string" || parsed.value.isWellFormed());
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
