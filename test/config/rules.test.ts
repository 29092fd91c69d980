import { describe, expect, test } from "vitest";
import { parseRules, type Rule, RulesError } from "../../src/config/rules.js";

function mistakes(text: string): readonly string[] {
  try {
    parseRules(text, "r.json");
  } catch (error) {
    if (error instanceof RulesError) return error.mistakes;
    throw error;
  }
  return [];
}

const one = (rule: object): Rule | undefined => parseRules(JSON.stringify([{ pattern: "/*", ...rule }]), "r.json")[0];

describe("rules", () => {
  test("are read with the units of settings", () => {
    const rules = parseRules(
      JSON.stringify([
        { pattern: "*/users/*", ttl: 600 },
        { pattern: "/x", ttl: "1h30m", swr: "500ms", sie: 0, methods: ["GET", "POST"], tags: ["a"], override: true },
        {
          pattern: "https://h/*",
          conditions: { headers: { "X-User-Id": "*" }, minSize: "1KiB", statusCodes: [200, 304] },
        },
        { pattern: "/none", ttl: "none", query: { sort: true, ignore: ["utm_*"] }, vary: { cookies: ["SID"] } },
      ]),
      "r.json",
    );
    expect(rules.map(({ ttlMs }) => ttlMs)).toEqual([600_000, 5_400_000, undefined, null]);
    expect(rules[1]).toMatchObject({
      place: "rules[1]",
      swrMs: 500,
      sieMs: 0,
      methods: ["GET", "POST"],
      override: true,
    });
    expect(rules[2]?.conditions).toEqual({
      headers: [{ name: "x-user-id", glob: "*" }],
      minSize: 1024,
      statusCodes: [200, 304],
    });
    expect(rules[3]).toMatchObject({
      query: { sort: true, ignore: ["utm_*"] },
      vary: { headers: [], cookies: ["SID"] },
    });
  });

  test("may be none", () => {
    expect(parseRules("\ufeff[]", "r.json")).toEqual([]);
  });

  test.each([
    ["[", "r.json:1:2 is not JSON: "],
    ['[{"pattern": "/a",\n  ttl: 5}]', "r.json:2:3 is not JSON"],
    ["{}", "r.json: rules: must be a list of rules"],
    ["[7]", "r.json: rules[0]: must be a rule in braces"],
    ["[{}]", "r.json: rules[0].pattern: is missing"],
    ['[{"pattern": 5}]', "r.json: rules[0].pattern: must be text in quotes"],
  ])("%s is refused with its place", (text, said) => {
    const [first = ""] = mistakes(text);
    expect(first.startsWith(said)).toBe(true);
  });

  test.each<[object, string]>([
    [{ ttl: "soon" }, 'rules[0].ttl: "soon" is not a duration'],
    [{ ttl: 0 }, "rules[0].ttl: a TTL of 0 would store nothing"],
    [{ ttl: true }, "rules[0].ttl: must be a duration"],
    [{ swr: "-1s" }, 'rules[0].swr: "-1s" is less than no time'],
    [{ TTL: 5 }, "rules[0].TTL: write it ttl"],
    [{ max_age: 5 }, "rules[0].max_age: there is no such setting of a rule"],
    [{ pattern: "api/*" }, 'rules[0].pattern: "api/*" matches nothing'],
    [{ pattern: "/a[" }, "rules[0].pattern: "],
    [{ pattern: "/a?q=*" }, 'rules[0].pattern: "/a?q=*": ? is any one character'],
    [{ methods: ["PUT"] }, "rules[0].methods[0]: must be one of GET, HEAD, POST"],
    [{ methods: [] }, "rules[0].methods: names no method"],
    [{ conditions: { statusCodes: [200, 99] } }, "rules[0].conditions.statusCodes[1]: must be a status"],
    [{ conditions: { minSize: 10, maxSize: 5 } }, "rules[0].conditions: minSize is more than maxSize"],
    [{ conditions: { headers: { "a b": "*" } } }, "rules[0].conditions.headers.a b: must be the name of a header"],
    [{ conditions: { status: 200 } }, "rules[0].conditions.status: there is no such setting of a rule"],
    [{ query: { only: ["a"], ignore: ["b"] } }, "rules[0].query: only and ignore exclude each other"],
    [{ vary: { headers: ["Host"] } }, "rules[0].vary.headers[0]: is no header that a response can depend on"],
    [
      { vary: { headers: ["x-forwarded-for"] } },
      "rules[0].vary.headers[0]: is no header that a response can depend on",
    ],
    [{ vary: { cookies: ["a=b"] } }, "rules[0].vary.cookies[0]: must be the name of a cookie"],
    [{ tags: ["", "x".repeat(257)] }, "rules[0].tags[0]: must be 1 to 256 bytes of text"],
    [{ bypass: true, ttl: 5 }, "rules[0]: bypass stores nothing"],
    [{ bypass: "yes" }, "rules[0].bypass: must be true or false"],
  ])("%j is refused", (rule, said) => {
    const found = mistakes(JSON.stringify([{ pattern: "/*", ...rule }]));
    expect(found.some((mistake) => mistake.startsWith(`r.json: ${said}`))).toBe(true);
  });

  test("are refused with every mistake, each with its rule", () => {
    const text = JSON.stringify([{ pattern: "/a" }, { pattern: "/b", ttl: -1 }, { pattern: 7, bypass: 1 }]);
    expect(mistakes(text).map((said) => said.split(": ")[1])).toEqual([
      "rules[1].ttl",
      "rules[2].pattern",
      "rules[2].bypass",
    ]);
  });

  test("are bounded", () => {
    expect(mistakes(JSON.stringify(Array.from({ length: 1001 }, () => ({ pattern: "/a" }))))[0]).toContain(
      "more than 1000",
    );
    expect(
      mistakes(JSON.stringify([{ pattern: "/a", tags: Array.from({ length: 101 }, (_, i) => `${i}`) }]))[0],
    ).toContain("more than 100 members");
    const headers = Array.from({ length: 17 }, (_, i) => `x-${i}`);
    expect(mistakes(JSON.stringify([{ pattern: "/a", vary: { headers } }]))[0]).toContain("more than 16");
  });

  test("say nothing that was not said", () => {
    expect(one({})).toMatchObject({ ttlMs: undefined, bypass: false, override: false, tags: [] });
  });
});
