import { describe, expect, test } from "vitest";
import { parseRules } from "../../src/config/rules.js";
import { admit } from "../../src/http/admission.js";
import type { Fields } from "../../src/http/message.js";
import { Rules, selectingFields, withoutPseudoFields } from "../../src/http/rules.js";
import { fieldsForVary } from "../../src/http/vary.js";

const compiled = (...rules: object[]) => new Rules(parseRules(JSON.stringify(rules), "test"));
const get = (url: string, fields: Fields = [], method = "GET") => ({ method, url, fields });

describe("which rule", () => {
  const rules = compiled(
    { pattern: "/static/*", ttl: 60 },
    { pattern: "*/api/*", methods: ["GET", "POST"], ttl: 30 },
    { pattern: "https://shop.example/*", ttl: 10 },
    { pattern: "/search\\?*", ttl: 5 },
  );
  test.each([
    ["http://h/static/a.js", "GET", "rules[0]"],
    ["http://h/static/a.js", "HEAD", "rules[0]"],
    ["http://h/static/a.js", "POST", undefined],
    ["http://h/v1/api/x", "POST", "rules[1]"],
    ["http://h/v1/api/x", "PUT", undefined],
    ["https://shop.example/a", "GET", "rules[2]"],
    ["http://shop.example/a", "GET", undefined],
    ["http://h/account?x=/static/a", "GET", undefined],
    ["http://h/account?/v1/api/a", "GET", undefined],
    ["http://h/search?q=1", "GET", "rules[3]"],
    ["http://h/search", "GET", undefined],
  ])("%s %s: %s", (url, method, place) => {
    expect(rules.rule(get(url, [], method)).rule?.place).toBe(place);
    // The second time it is remembered.
    expect(rules.rule(get(url, [], method)).rule?.place).toBe(place);
  });

  test("the first counts, and says why those before it don't", () => {
    const two = compiled({ pattern: "/b" }, { pattern: "/a", methods: ["POST"] }, { pattern: "/a" }, { pattern: "/*" });
    expect(two.trace(get("http://h/a")).map(({ unmatched }) => unmatched)).toEqual(["pattern", "method", undefined]);
  });

  test("methods of the settings are those of rules that name none", () => {
    const rules = new Rules(parseRules('[{"pattern":"/a"}]', "test"), ["GET", "POST"]);
    expect(rules.rule(get("http://h/a", [], "POST"))).toMatchObject({ cacheable: true, names: [":body"] });
    expect(rules.rule(get("http://h/b", [], "POST"))).toMatchObject({ cacheable: true, rule: undefined });
    expect(compiled().rule(get("http://h/b", [], "POST")).cacheable).toBe(false);
    expect(new Rules([], ["POST"]).rule(get("http://h/b")).cacheable).toBe(false);
  });

  test("bypass is about every method", () => {
    const rules = compiled({ pattern: "/a", bypass: true });
    expect(["GET", "HEAD", "POST", "PUT"].map((method) => rules.rule(get("http://h/a", [], method)))).toMatchObject(
      Array.from({ length: 4 }, () => ({ rule: { place: "rules[0]" }, cacheable: false })),
    );
  });
});

describe("what joins the key", () => {
  const rules = compiled(
    { pattern: "/p", conditions: { headers: { "x-user-id": "*" } }, ttl: 5 },
    { pattern: "/p", vary: { headers: ["X-Tier"], cookies: ["SID", "sid"] } },
  );

  test("the fields of conditions, also for those who have none", () => {
    expect(rules.rule(get("http://h/p", ["X-User-Id", "7"]))).toMatchObject({
      rule: { place: "rules[0]" },
      names: ["x-user-id"],
    });
    expect(rules.rule(get("http://h/p")).names).toEqual(["cookie:/s/i/d", "cookie:sid", "x-tier", "x-user-id"]);
  });

  test("a condition holds for values of its glob alone", () => {
    const glob = compiled({ pattern: "/p", conditions: { headers: { "x-plan": "gold*" } } });
    expect(glob.rule(get("http://h/p", ["x-plan", "golden"])).rule).toBeDefined();
    expect(glob.rule(get("http://h/p", ["x-plan", "silver"])).rule).toBeUndefined();
  });

  test.each<[Fields, Fields, boolean]>([
    [["Cookie", "sid=1; x=2"], ["Cookie", "x=3; sid=1"], true],
    [["Cookie", "sid=1"], ["Cookie", "sid=2"], false],
    [["Cookie", "sid=1"], ["Cookie", "SID=1"], false],
    [["Cookie", "sid=1"], [], false],
    [["Cookie", "sid="], [], false],
    [["Cookie", "sid=1; sid=2"], ["Cookie", "sid=1"], false],
    [["X-Tier", "a"], ["x-tier", "a"], true],
  ])("%j and %j: %s", (a, b, same) => {
    const key = (fields: Fields) => {
      const ruling = rules.rule(get("http://h/p", fields));
      return fieldsForVary(ruling.names, selectingFields(ruling, fields));
    };
    expect(key(a) === key(b)).toBe(same);
  });

  test("pseudo-fields are not for the origin", () => {
    const fields = ["Cookie", "sid=1", "Accept", "*/*"];
    const ruling = rules.rule(get("http://h/p", fields));
    const selecting = selectingFields(ruling, fields, "abc");
    expect(selecting).not.toEqual(fields);
    expect(withoutPseudoFields(selecting)).toEqual(fields);
  });
});

describe("the query", () => {
  const path = (query: object, target: string) => {
    const rules = compiled({ pattern: "/*", query });
    return rules.urlFor(`http://h${target}`, []).slice("http://h".length);
  };
  test.each<[object, string, string]>([
    [{}, "/a?b=1&a=2", "/a?b=1&a=2"],
    [{ sort: true }, "/a?b=2&a=1&b=1", "/a?a=1&b=2&b=1"],
    [{ ignore: ["utm_*", "fbclid"] }, "/a?utm_source=x&id=1&fbclid=2&utm_", "/a?id=1"],
    [{ ignore: ["*"] }, "/a?x", "/a"],
    [{ only: ["id"] }, "/a?x=1&id=2&ID=3&%69d=4", "/a?id=2&%69d=4"],
    [{ only: [] }, "/a?x=1", "/a"],
    [{ ignore: ["é"] }, "/a?%C3%A9=1&%FF=2", "/a?%FF=2"],
    [{ sort: true }, "/a", "/a"],
  ])("%j of %s is %s", (query, before, after) => {
    expect(path(query, before)).toBe(after);
  });

  test("of what is not stored stays as it is", () => {
    const rules = compiled({ pattern: "/*", query: { only: [] } });
    expect(rules.rule(get("http://h/a?x=1", [], "DELETE")).path).toBeUndefined();
  });

  test("of thousands of parameters is done in time", () => {
    const globs = Array.from({ length: 100 }, (_, i) => `*a*b*${i}`);
    const began = performance.now();
    path({ ignore: globs, sort: true }, `/?${"ab&".repeat(2700)}`);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("what is stored", () => {
  const now = Date.UTC(2026, 0, 1);
  const times = { requestTime: now, responseTime: now };
  const request = get("http://h/a");
  const admitted = (rule: object, fields: Fields, status = 200, method = "GET") => {
    const ruling = compiled({ pattern: "/*", ...rule }).rule({ ...request, method });
    const asked = { ...request, method };
    return admit(asked, { status, fields }, times, { defaultLifetimeMs: undefined, ruling });
  };

  test("for as long as the rule says, whatever the origin does", () => {
    expect(admitted({ ttl: 60 }, ["Cache-Control", "max-age=5"])).toMatchObject({
      admitted: { response: { lifetimeMs: 60_000, lifetimeSource: "rule" }, deadlines: { staleAt: now + 60_000 } },
    });
    expect(admitted({ ttl: "none" }, [])).toMatchObject({ admitted: { response: { lifetimeMs: 2 ** 31 * 1000 } } });
    expect(admitted({ swr: 5, sie: 7 }, ["Cache-Control", "max-age=5, stale-if-error=1"])).toMatchObject({
      admitted: { response: { staleWhileRevalidateMs: 5000, staleIfErrorMs: 7000, lifetimeMs: 5000 } },
    });
  });

  test.each(["no-store", "private"])("%s is obeyed unless the rule overrides it", (said) => {
    expect(admitted({ ttl: 60 }, ["Cache-Control", said])).toEqual({ refused: said });
    expect(admitted({ ttl: 60, override: true }, ["Cache-Control", said])).toHaveProperty("admitted");
  });

  test.each([
    ["no-cache", "noCache"],
    ["must-revalidate", "mustRevalidate"],
    ["proxy-revalidate", "mustRevalidate"],
  ])("%s is obeyed unless the rule overrides it", (said, flag) => {
    const fields = ["Cache-Control", said, "ETag", '"a"'];
    expect(admitted({ ttl: 60 }, fields)).toMatchObject({ admitted: { response: { [flag]: true } } });
    expect(admitted({ ttl: 60, override: true }, fields)).toMatchObject({ admitted: { response: { [flag]: false } } });
  });

  test("what sets cookies only where the rule overrides it, and without the cookies", () => {
    const fields = ["Set-Cookie", "sid=1", "X-A", "1"];
    expect(admitted({ ttl: 60 }, fields)).toEqual({ refused: "set-cookie" });
    const kept = admitted({ ttl: 60, override: true }, fields);
    expect(JSON.stringify(kept)).not.toContain("sid=1");
    expect(JSON.stringify(kept)).toContain("X-A");
  });

  test("errors are not kept by a rule that does not name them", () => {
    for (const status of [302, 404, 500]) {
      expect(admitted({ ttl: 60 }, [], status)).not.toMatchObject({
        admitted: { response: { lifetimeSource: "rule" } },
      });
    }
    expect(admitted({ ttl: 60, conditions: { statusCodes: [404] } }, [], 404)).toHaveProperty("admitted");
  });

  test("statuses that a rule does not name are not kept", () => {
    const rule = { ttl: 60, conditions: { statusCodes: [200] } };
    expect(admitted(rule, ["Cache-Control", "max-age=60"], 404)).toEqual({ refused: "rule-status" });
  });

  test("with the tags of the rule beside those of the origin", () => {
    expect(admitted({ ttl: 60, tags: ["a", "b"] }, ["Cache-Tag", "b,c"])).toMatchObject({
      admitted: { tags: ["b", "c", "a"] },
    });
  });

  test("with the names of the rule beside Vary", () => {
    expect(admitted({ ttl: 60, vary: { headers: ["x-b"], cookies: ["s"] } }, ["Vary", "X-A, X-B"])).toMatchObject({
      admitted: { vary: ["cookie:s", "x-a", "x-b"] },
    });
  });

  test("of a POST, which can't be validated", () => {
    const kept = admitted({ ttl: 60, methods: ["POST"] }, ["ETag", '"a"'], 200, "POST");
    expect(kept).toMatchObject({ admitted: { vary: [":body"], response: { hasValidator: false } } });
  });
});
