import fc from "fast-check";
import { parseList, Token } from "structured-headers";
import { describe, expect, test } from "vitest";
import { type CacheStatusEntry, cacheStatus, xCache } from "../../src/http/cache-status.js";

describe("Cache-Status", () => {
  test("RFC 9211 §2.1, §2.4: a hit, and what is left of its freshness", () => {
    expect(cacheStatus({ hit: true, ttlSeconds: 376 }, undefined)).toBe("cache; hit; ttl=376");
    expect(cacheStatus({ hit: true, ttlSeconds: -412 }, undefined)).toBe("cache; hit; ttl=-412");
    expect(cacheStatus({ hit: true, ttlSeconds: 1, collapsed: true, detail: "memory" }, "")).toBe(
      "cache; hit; ttl=1; collapsed; detail=memory",
    );
  });

  test("RFC 9211 §2.2, §2.3, §2.5, §2.6, §2.7: why it went forward, and what came of it", () => {
    expect(cacheStatus({ fwd: "uri-miss" }, undefined)).toBe("cache; fwd=uri-miss");
    expect(
      cacheStatus(
        { fwd: "stale", fwdStatus: 304, stored: true, collapsed: true, ttlSeconds: 60, key: "r:GET http://a/" },
        undefined,
      ),
    ).toBe('cache; fwd=stale; fwd-status=304; stored; collapsed; ttl=60; key="r:GET http://a/"');
    expect(cacheStatus({ fwd: "bypass", stored: false, collapsed: false }, undefined)).toBe("cache; fwd=bypass");
  });

  test("RFC 9211 §2: we come after the caches nearer to the origin", () => {
    expect(cacheStatus({ fwd: "miss" }, 'origin; hit, "b"; fwd=miss')).toBe(
      'origin; hit, "b"; fwd=miss, cache; fwd=miss',
    );
  });

  test("RFC 9211 §2.8: a detail is a token, or else a string", () => {
    const detail = (text: string) => cacheStatus({ fwd: "miss", detail: text }, undefined);
    expect(detail("stale-if-error")).toBe("cache; fwd=miss; detail=stale-if-error");
    expect(detail('a "b" \\')).toBe('cache; fwd=miss; detail="a \\"b\\" \\\\"');
    expect(detail("")).toBe('cache; fwd=miss; detail=""');
    expect(detail("5xx")).toBe('cache; fwd=miss; detail="5xx"');
    expect(detail("é\r\n")).toBe('cache; fwd=miss; detail="???"');
  });

  test("RFC 8941 §3.3.1: numbers are whole and of at most 15 digits", () => {
    const ttl = (ttlSeconds: number) => cacheStatus({ hit: true, ttlSeconds }, undefined);
    expect(ttl(1.9)).toBe("cache; hit; ttl=1");
    expect(ttl(-0.5)).toBe("cache; hit; ttl=0");
    expect(ttl(Number.POSITIVE_INFINITY)).toBe("cache; hit; ttl=999999999999999");
    expect(ttl(-1e300)).toBe("cache; hit; ttl=-999999999999999");
    expect(ttl(Number.NaN)).toBe("cache; hit; ttl=0");
  });

  test("RFC 9211 §2: whatever it tells, it is a list of structured fields", () => {
    const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
    const text = optional(fc.string({ unit: "binary", maxLength: 30 }));
    const entry: fc.Arbitrary<CacheStatusEntry> = fc.oneof(
      fc.record({ hit: fc.constant(true as const), ttlSeconds: fc.double() }),
      fc
        .record({
          fwd: fc.constantFrom("uri-miss" as const, "request" as const),
          ttl: optional(fc.double()),
          key: text,
          detail: text,
        })
        .map(({ fwd, ttl, key, detail }) => ({
          fwd,
          ...(ttl !== undefined && { ttlSeconds: ttl }),
          ...(key !== undefined && { key }),
          ...(detail !== undefined && { detail }),
        })),
    );
    fc.assert(
      fc.property(entry, (one) => {
        const [first, second] = parseList(cacheStatus(one, "upstream; hit"));
        expect(first?.[0]).toEqual(new Token("upstream"));
        expect(second?.[0]).toEqual(new Token("cache"));
        const parameters = second?.[1] ?? new Map();
        if ("hit" in one) expect(parameters.get("hit")).toBe(true);
        else expect(parameters.get("fwd")).toEqual(new Token(one.fwd));
      }),
    );
  });
});

test("X-Cache says in one word what became of the request", () => {
  expect(xCache({ hit: true, ttlSeconds: 0 })).toBe("HIT");
  expect(xCache({ hit: true, ttlSeconds: -1, detail: "stale-while-revalidate" })).toBe("STALE");
  expect(xCache({ fwd: "uri-miss", fwdStatus: 200, stored: true, ttlSeconds: 60 })).toBe("MISS");
  expect(xCache({ fwd: "vary-miss" })).toBe("MISS");
  expect(xCache({ fwd: "stale", fwdStatus: 304, stored: true, ttlSeconds: 60 })).toBe("REVALIDATED");
  expect(xCache({ fwd: "request", fwdStatus: 304, stored: false })).toBe("REVALIDATED");
  // Of what the client holds.
  expect(xCache({ fwd: "request", fwdStatus: 304 })).toBe("MISS");
  expect(xCache({ fwd: "stale", fwdStatus: 200 })).toBe("MISS");
  // The origin failed, and a stale response is sent instead.
  expect(xCache({ fwd: "stale", fwdStatus: 503, ttlSeconds: -5, detail: "stale-if-error" })).toBe("STALE");
  expect(xCache({ fwd: "bypass" })).toBe("BYPASS");
  expect(xCache({ fwd: "method" })).toBe("BYPASS");
});
