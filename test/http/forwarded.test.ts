import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CacheError } from "../../src/errors.js";
import { type ForwardedContext, forwardedFields, forwardedOrigin, trustedProxies } from "../../src/http/forwarded.js";
import { type Fields, fieldOf, linesOf } from "../../src/http/message.js";

const STRANGER: ForwardedContext = { peer: "203.0.113.7", secure: false, host: "a.example", trusted: () => false };
const TRUSTED: ForwardedContext = { ...STRANGER, peer: "10.0.0.1", trusted: (address) => address === "10.0.0.1" };

const forwarded = (fields: Fields, context: ForwardedContext) => {
  const sent = forwardedFields(fields, context);
  return Object.fromEntries(
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].map((name) => {
      expect(linesOf(sent, name).length).toBeLessThanOrEqual(1);
      return [name, fieldOf(sent, name)];
    }),
  );
};

describe("what the origin is told of the client", () => {
  test("RFC 7239 §4: address, host and scheme, in order", () => {
    expect(forwarded([], STRANGER)).toEqual({
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "a.example",
      forwarded: "for=203.0.113.7;host=a.example;proto=http",
    });
    expect(forwarded([], { ...STRANGER, secure: true })).toMatchObject({
      "x-forwarded-proto": "https",
      forwarded: "for=203.0.113.7;host=a.example;proto=https",
    });
  });

  test("RFC 7239 §6: IPv6 in brackets and quotes, and what is no token in quotes", () => {
    const context = { ...STRANGER, peer: "2001:db8::7", host: "a.example:8080" };
    expect(forwarded([], context)).toMatchObject({
      "x-forwarded-for": "2001:db8::7",
      forwarded: 'for="[2001:db8::7]";host="a.example:8080";proto=http',
    });
    expect(forwarded([], { ...STRANGER, peer: "::ffff:203.0.113.7" }).forwarded).toMatch(/^for=203\.0\.113\.7;/);
    expect(forwarded([], { ...STRANGER, peer: "fe80::1%eth0" }).forwarded).toMatch(/^for="\[fe80::1]";/);
  });

  test("RFC 7239 §6.2: a peer that is gone is unknown", () => {
    expect(forwarded(["X-Forwarded-For", "1.2.3.4"], { ...STRANGER, peer: undefined, trusted: () => true })).toEqual({
      "x-forwarded-for": undefined,
      "x-forwarded-proto": "http",
      "x-forwarded-host": "a.example",
      forwarded: "for=unknown;host=a.example;proto=http",
    });
  });

  test("RFC 7239 §8.1: what a stranger says is replaced, in whatever spelling", () => {
    const sent = forwardedFields(
      [
        "A",
        "1",
        "X-Forwarded-For",
        "1.2.3.4",
        "x_forwarded_host",
        "evil.example",
        "X-FORWARDED-PORT",
        "1",
        "X-Forwarded-Prefix",
        "/x",
        "Forwarded",
        "for=1.2.3.4",
        "X-Real-IP",
        "1.2.3.4",
        "X-Original-URL",
        "/admin",
        "X-Rewrite-URL",
        "/admin",
        "B",
        "2",
      ],
      STRANGER,
    );
    expect(sent).toEqual(["A", "1", "B", "2", ...forwardedFields([], STRANGER)]);
  });

  test("RFC 7239 §4: what a trusted peer says is kept, and the peer is the last", () => {
    const request = [
      "X-Forwarded-For",
      "192.0.2.1",
      "x-forwarded-for",
      "192.0.2.2",
      "X-Forwarded-Proto",
      "https",
      "X-Forwarded-Port",
      "443",
      "X-Real-IP",
      "192.0.2.1",
      "Forwarded",
      'by=10.0.0.2;host="evil.example;x";for=192.0.2.1;proto=https, host=evil.example',
    ];
    // Of no key is what it says there of host and scheme.
    expect(forwarded(request, TRUSTED)).toEqual({
      "x-forwarded-for": "192.0.2.1, 192.0.2.2, 10.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "a.example",
      forwarded: "by=10.0.0.2;for=192.0.2.1, for=10.0.0.1;host=a.example;proto=http",
    });
    const sent = forwardedFields(request, TRUSTED);
    expect(fieldOf(sent, "x-forwarded-port")).toBe("443");
    expect(fieldOf(sent, "x-real-ip")).toBe("192.0.2.1");
  });

  test("RFC 9111 §2: the origin hears of no other host than the key names", () => {
    const request = ["X-Forwarded-Host", "b.example", "X_Forwarded_Host", "c.example"];
    expect(forwarded(request, { ...TRUSTED, host: "b.example" })["x-forwarded-host"]).toBe("b.example");
    expect(forwarded(request, TRUSTED)["x-forwarded-host"]).toBe("a.example");
    expect(forwardedFields(request, TRUSTED).join()).not.toContain("c.example");
  });
});

describe("what the client asked for", () => {
  const asked = ["X-Forwarded-Proto", "http, HTTPS", "X-Forwarded-Host", "x.example, b.example"];

  test("is what a trusted peer says last", () => {
    expect(forwardedOrigin(asked, TRUSTED)).toEqual({ secure: true, host: "b.example" });
    expect(forwardedOrigin(["X-Forwarded-Proto", "http"], { ...TRUSTED, secure: true }).secure).toBe(false);
    expect(forwardedOrigin(["X-Forwarded-Proto", "wss"], { ...TRUSTED, secure: true }).secure).toBe(true);
    expect(forwardedOrigin([], TRUSTED)).toEqual({ secure: false, host: "a.example" });
  });

  test("is not what a stranger says", () => {
    expect(forwardedOrigin(asked, STRANGER)).toEqual({ secure: false, host: "a.example" });
    expect(forwardedOrigin(asked, { ...TRUSTED, peer: undefined })).toEqual({ secure: false, host: "a.example" });
  });
});

describe("trusted proxies", () => {
  test("are addresses and networks of both families, also through an IPv6 socket", () => {
    const trusted = trustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"]);
    for (const address of ["10.1.2.3", "192.0.2.1", "::ffff:10.0.0.1", "2001:db8:1::", "::1"]) {
      expect(trusted(address), address).toBe(true);
    }
    for (const address of ["11.0.0.1", "192.0.2.2", "2001:db9::", "::2", "", "unknown", "10.0.0.1, 1.2.3.4", "10.1"]) {
      expect(trusted(address), address).toBe(false);
    }
    expect(trustedProxies([])("10.0.0.1")).toBe(false);
    expect(trustedProxies(["0.0.0.0/0"])("1.2.3.4")).toBe(true);
  });

  test("anything else is refused", () => {
    const wrong = [
      "",
      "a.example",
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "10.0.0/8",
      "10.0.0.0/-1",
      "1.2.3.4/8x",
      "fe80::1%eth0",
    ];
    for (const entry of wrong) {
      expect(() => trustedProxies(["10.0.0.1", entry]), entry).toThrow(CacheError);
    }
  });
});

test("whatever a client sends, no line of it can break out", () => {
  const name = fc.constantFrom("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "A");
  const pairs = fc.array(fc.tuple(name, fc.string({ maxLength: 30 })), { maxLength: 8 });
  fc.assert(
    fc.property(pairs, fc.boolean(), fc.ipV6(), (given, trust, peer) => {
      const context = { ...STRANGER, peer, trusted: () => trust };
      const sent = forwardedFields(given.flat(), context);
      expect(sent.length % 2).toBe(0);
      expect(fieldOf(sent, "x-forwarded-for")?.endsWith(peer)).toBe(true);
      if (!trust) expect(fieldOf(sent, "forwarded")).toMatch(/^for="\[[0-9a-fA-F:.]+]";host=a\.example;proto=http$/);
      forwardedOrigin(given.flat(), context);
    }),
  );
});
