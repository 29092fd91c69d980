import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RequestDirectives, requestDirectives } from "../../src/http/cache-control.js";
import { decideReuse, mayServeOnError, type Reusable } from "../../src/http/reuse.js";

const RECEIVED = Date.UTC(2026, 10, 21, 12);
const base: Reusable = {
  lifetimeMs: 60_000,
  initialAgeMs: 10_000,
  responseTime: RECEIVED,
  noCache: false,
  mustRevalidate: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  hasValidator: true,
};
const wishes = (line?: string) => requestDirectives(line === undefined ? [] : ["Cache-Control", line]);

/** @param age current_age, seconds */
const decide = (age: number, asked?: string, stored: Partial<Reusable> = {}) => {
  const now = RECEIVED + age * 1000 - base.initialAgeMs;
  const decision = decideReuse({ ...base, ...stored }, wishes(asked), now);
  return "because" in decision ? `${decision.use}:${decision.because}` : decision.use;
};

const onError = (age: number, error: "disconnected" | "status", asked?: string, stored: Partial<Reusable> = {}) =>
  mayServeOnError({ ...base, ...stored }, wishes(asked), RECEIVED + age * 1000 - base.initialAgeMs, error);

describe("reuse", () => {
  test("RFC 9111 §4.2: fresh while the lifetime is greater than the age", () => {
    expect(decide(10)).toBe("fresh");
    expect(decide(59.999)).toBe("fresh");
    expect(decide(60)).toBe("validate:stale");
    expect(decide(1e9)).toBe("validate:stale");
    // A clock that is set back.
    expect(decide(-100)).toBe("fresh");
  });

  test("RFC 9111 §4.3: what has no validator is fetched", () => {
    expect(decide(60, undefined, { hasValidator: false })).toBe("fetch:stale");
    expect(decide(10, "no-cache", { hasValidator: false })).toBe("fetch:request");
  });

  test("RFC 9111 §5.2.2.4: no-cache is validated however fresh it is", () => {
    const stored = { noCache: true, staleWhileRevalidateMs: 1e9 };
    expect(decide(10, undefined, stored)).toBe("validate:stale");
    expect(decide(61, "max-stale", stored)).toBe("validate:stale");
  });

  test("RFC 9111 §5.2.1.4: a request with no-cache is not answered without validation", () => {
    expect(decide(10, "no-cache")).toBe("validate:request");
    expect(decide(61, "no-cache, max-stale", { staleWhileRevalidateMs: 1e9 })).toBe("validate:stale");
  });

  test("RFC 9111 §5.2.1.1: max-age of a request is not exceeded", () => {
    expect(decide(20, "max-age=20")).toBe("fresh");
    expect(decide(20.001, "max-age=20")).toBe("validate:request");
    expect(decide(10, "max-age=0")).toBe("validate:request");
    expect(decide(10, "max-age=x")).toBe("validate:request");
    expect(decide(20.001, "max-age=20, max-stale")).toBe("validate:request");
    expect(decide(60, "max-age=9999")).toBe("validate:stale");
  });

  test("RFC 9111 §5.2.1.1: with max-age nothing stale is wanted, unless there is max-stale too", () => {
    const stored = { staleWhileRevalidateMs: 1e9 };
    expect(decide(61, undefined, stored)).toBe("stale:swr");
    expect(decide(61, "max-age=9999", stored)).toBe("validate:stale");
    expect(decide(61, "max-age=9999, max-stale=1", stored)).toBe("stale:max-stale");
  });

  test("RFC 9111 §5.2.1.3: min-fresh is how long it is to be fresh yet", () => {
    expect(decide(40, "min-fresh=20")).toBe("fresh");
    expect(decide(40.001, "min-fresh=20")).toBe("validate:request");
    expect(decide(10, "min-fresh=x")).toBe("validate:request");
    expect(decide(61, "min-fresh=0, max-stale", { staleWhileRevalidateMs: 1e9 })).toBe("validate:stale");
  });

  test("RFC 9111 §5.2.1.2: max-stale allows what is no staler than that", () => {
    expect(decide(60, "max-stale=0")).toBe("stale:max-stale");
    expect(decide(80, "max-stale=20")).toBe("stale:max-stale");
    expect(decide(80.001, "max-stale=20")).toBe("validate:stale");
    expect(decide(1e9, "max-stale")).toBe("stale:max-stale");
    expect(decide(61, "max-stale=x")).toBe("validate:stale");
    expect(decide(90, "max-stale=20", { staleWhileRevalidateMs: 1e9 })).toBe("validate:stale");
  });

  test("RFC 9111 §4.2.4, §5.2.2.2, §5.2.2.8, §5.2.2.10: must-revalidate and its like prohibit what is stale", () => {
    const stored = { mustRevalidate: true, staleWhileRevalidateMs: 1e9 };
    expect(decide(59, undefined, stored)).toBe("fresh");
    expect(decide(60, undefined, stored)).toBe("validate:stale");
    expect(decide(60, "max-stale", stored)).toBe("validate:stale");
  });

  test("RFC 5861 §3: within stale-while-revalidate it may be used stale, and not after", () => {
    const stored = { staleWhileRevalidateMs: 30_000 };
    expect(decide(59.999, undefined, stored)).toBe("fresh");
    expect(decide(60, undefined, stored)).toBe("stale:swr");
    expect(decide(90, undefined, stored)).toBe("stale:swr");
    expect(decide(90.001, undefined, stored)).toBe("validate:stale");
  });

  test("RFC 9111 §5.2.1.7: only-if-cached is answered from the store, or with 504", () => {
    expect(decide(10, "only-if-cached")).toBe("fresh");
    expect(decide(60, "only-if-cached")).toBe("gateway-timeout");
    expect(decide(60, "only-if-cached", { staleWhileRevalidateMs: 1 })).toBe("stale:swr");
    expect(decide(60, "only-if-cached, max-stale")).toBe("stale:max-stale");
    expect(decide(10, "only-if-cached, no-cache")).toBe("gateway-timeout");
    expect(decide(10, "only-if-cached", { noCache: true, hasValidator: false })).toBe("gateway-timeout");
  });

  test("nothing is made for a decision: equal ones are the same", () => {
    const decision = () => decideReuse({ ...base }, wishes(), RECEIVED);
    expect(decision()).toBe(decision());
  });
});

describe("when the origin gives nothing", () => {
  test("RFC 9111 §4.2.4: disconnected, what is stale may be used", () => {
    expect(onError(1e6, "disconnected")).toBe(true);
    expect(onError(1e6, "disconnected", "max-age=0")).toBe(true);
  });

  test("RFC 9111 §4.2.4, §5.2.2.2: unless that is prohibited", () => {
    for (const error of ["disconnected", "status"] as const) {
      expect(onError(61, error, "max-stale", { mustRevalidate: true, staleIfErrorMs: 1e9 })).toBe(false);
      expect(onError(20, error, undefined, { noCache: true, staleIfErrorMs: 1e9 })).toBe(false);
      expect(onError(20, error, "no-cache", { staleIfErrorMs: 1e9 })).toBe(false);
    }
  });

  test("RFC 5861 §4: an error of the origin within stale-if-error, of the response or of the request", () => {
    expect(onError(60, "status")).toBe(false);
    expect(onError(90, "status", undefined, { staleIfErrorMs: 30_000 })).toBe(true);
    expect(onError(90.001, "status", undefined, { staleIfErrorMs: 30_000 })).toBe(false);
    expect(onError(90, "status", "stale-if-error=30")).toBe(true);
    expect(onError(90.001, "status", "stale-if-error=30")).toBe(false);
    expect(onError(90, "status", "stale-if-error=10", { staleIfErrorMs: 30_000 })).toBe(true);
    expect(onError(90, "status", "max-stale")).toBe(true);
    expect(onError(90, "status", "max-stale=10")).toBe(false);
  });

  test("what is fresh, and was to be validated for the request alone, stands in", () => {
    expect(onError(20, "status", "max-age=0", { mustRevalidate: true })).toBe(true);
    expect(onError(60, "status", "max-age=0", { mustRevalidate: true })).toBe(false);
  });
});

describe("any response and request", () => {
  const seconds = fc.integer({ min: 0, max: 200 });
  const stored = fc.record({
    lifetimeMs: seconds.map((s) => s * 1000),
    initialAgeMs: seconds.map((s) => s * 1000),
    responseTime: fc.constant(RECEIVED),
    noCache: fc.boolean(),
    mustRevalidate: fc.boolean(),
    staleWhileRevalidateMs: seconds.map((s) => s * 1000),
    staleIfErrorMs: seconds.map((s) => s * 1000),
    hasValidator: fc.boolean(),
  });
  const request: fc.Arbitrary<RequestDirectives> = fc
    .record(
      {
        "max-age": seconds,
        "max-stale": fc.oneof(seconds, fc.constant("")),
        "min-fresh": seconds,
        "no-cache": fc.constant(""),
        "only-if-cached": fc.constant(""),
      },
      { requiredKeys: [] },
    )
    .map((all) =>
      wishes(
        Object.entries(all)
          .map(([name, n]) => (n === "" ? name : `${name}=${n}`))
          .join(","),
      ),
    );

  test("RFC 9111 §4, §4.2.4, §5.2.1: what is used without the origin breaks none of their conditions", () => {
    fc.assert(
      fc.property(stored, request, seconds, (response, asked, later) => {
        const decision = decideReuse(response, asked, RECEIVED + later * 1000);
        const age = response.initialAgeMs + later * 1000;
        const staleness = age - response.lifetimeMs;
        if (decision.use === "fresh" || decision.use === "stale") {
          expect(response.noCache || asked.noCache).toBe(false);
          expect(age <= (asked.maxAge ?? Infinity) * 1000).toBe(true);
          expect(-staleness >= (asked.minFresh ?? -Infinity) * 1000).toBe(true);
        }
        if (decision.use === "fresh") expect(staleness).toBeLessThan(0);
        if (decision.use === "stale") {
          expect(response.mustRevalidate).toBe(false);
          expect(staleness <= Math.max(response.staleWhileRevalidateMs, (asked.maxStale ?? 0) * 1000)).toBe(true);
          expect(staleness <= (asked.maxStale ?? Infinity) * 1000).toBe(true);
        }
        if (asked.onlyIfCached) expect(decision.use).not.toMatch(/validate|fetch/);
        else expect(decision.use).not.toBe("gateway-timeout");
        if (decision.use === "validate") expect(response.hasValidator).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("RFC 9111 §4: what is fresh and asked for without conditions is used", () => {
    fc.assert(
      fc.property(stored, seconds, (response, later) => {
        const isFresh = response.initialAgeMs + later * 1000 < response.lifetimeMs && !response.noCache;
        expect(decideReuse(response, wishes(), RECEIVED + later * 1000).use === "fresh").toBe(isFresh);
      }),
    );
  });
});
