import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseTarget, type TargetInput } from "../../src/http/target.js";

const parse = (requestTarget: string, more: Partial<TargetInput> = {}) =>
  parseTarget({ requestTarget, host: "a.example", secure: false, hostLines: 1, ...more });

const targetOf = (requestTarget: string, more: Partial<TargetInput> = {}) => {
  const parsed = parse(requestTarget, more);
  if ("refused" in parsed) throw new Error(`${requestTarget}: ${parsed.refused.reason}`);
  return parsed.target;
};

const pathOf = (requestTarget: string) => targetOf(requestTarget).path;

const statusOf = (requestTarget: string, more: Partial<TargetInput> = {}) => {
  const parsed = parse(requestTarget, more);
  return "refused" in parsed ? parsed.refused.status : 200;
};

/** The algorithm of RFC 3986 §5.2.4 as it is written there. */
function removeDotSegments(path: string): string {
  let input = path;
  let output = "";
  while (input !== "") {
    if (input.startsWith("../")) input = input.slice(3);
    else if (input.startsWith("./") || input.startsWith("/./")) input = input.slice(2);
    else if (input === "/.") input = "/";
    else if (input.startsWith("/../") || input === "/..") {
      input = `/${input.slice(4)}`;
      output = output.slice(0, Math.max(0, output.lastIndexOf("/")));
    } else if (input === "." || input === "..") input = "";
    else {
      const end = input.indexOf("/", 1);
      output += end < 0 ? input : input.slice(0, end);
      input = end < 0 ? "" : input.slice(end);
    }
  }
  return output;
}

describe("the form of a target", () => {
  test("RFC 9112 §3.2.1: the origin form with its Host makes the target", () => {
    expect(targetOf("/a/b?c=d")).toEqual({
      scheme: "http",
      host: "a.example",
      path: "/a/b?c=d",
      url: "http://a.example/a/b?c=d",
    });
    expect(targetOf("/", { secure: true }).url).toBe("https://a.example/");
  });

  test("RFC 9112 §3.2.2: the authority of an absolute form replaces Host", () => {
    expect(targetOf("http://B.example:80/x?y", { host: "a.example" })).toEqual({
      scheme: "http",
      host: "b.example",
      path: "/x?y",
      url: "http://b.example/x?y",
    });
    expect(targetOf("HTTP://b.example:8080?y").url).toBe("http://b.example:8080/?y");
    expect(targetOf("http://b.example").path).toBe("/");
    expect(targetOf("https://b.example", { secure: true }).url).toBe("https://b.example/");
  });

  test("RFC 9110 §7.4: another scheme than that of the connection is misdirected", () => {
    expect(statusOf("https://a.example/")).toBe(421);
    expect(statusOf("http://a.example/", { secure: true })).toBe(421);
  });

  test("RFC 9112 §3.2.3: the authority form and CONNECT are refused", () => {
    expect(statusOf("a.example:443")).toBe(400);
    expect(statusOf("a.example:443", { method: "CONNECT" })).toBe(405);
  });

  test("RFC 9112 §3.2.4: the asterisk form is for OPTIONS alone", () => {
    expect(targetOf("*", { method: "OPTIONS" })).toMatchObject({ path: "*", url: "http://a.example" });
    expect(targetOf("http://b.example", { method: "OPTIONS" })).toMatchObject({ path: "*", url: "http://b.example" });
    expect(targetOf("http://b.example/", { method: "OPTIONS" }).path).toBe("/");
    expect(targetOf("http://b.example?a", { method: "OPTIONS" }).path).toBe("/?a");
    expect(statusOf("*", { method: "GET" })).toBe(400);
    expect(statusOf("*")).toBe(400);
  });

  test("RFC 9112 §3.2: what is none of the forms is 400", () => {
    const none = [
      "",
      "a",
      "a/b",
      "?a",
      "ftp://a.example/",
      "file:///etc/passwd",
      "http:/a.example/",
      "http:///x",
      "http://",
      "javascript:alert(1)",
    ];
    for (const target of none) expect(statusOf(target), target).toBe(400);
  });

  test("RFC 9112 §3: 8 KiB are read, more is 414", () => {
    expect(statusOf(`/${"a".repeat(8191)}`)).toBe(200);
    expect(statusOf(`/${"a".repeat(8192)}`)).toBe(414);
  });
});

describe("Host", () => {
  test("RFC 9112 §3.2: none, or more than one, is 400, whatever the form", () => {
    for (const target of ["/", "http://a.example/"]) {
      expect(statusOf(target, { host: undefined, hostLines: 0 })).toBe(400);
      expect(statusOf(target, { host: "a.example, a.example", hostLines: 2 })).toBe(400);
      expect(statusOf(target, { hostLines: 2 })).toBe(400);
    }
  });

  test("RFC 9112 §3.2: a Host that is not valid is 400", () => {
    const invalid = [
      "",
      " ",
      "a b",
      "a.example,b.example",
      "a.example/",
      "a.example/x",
      "user@a.example",
      "user:pw@a.example",
      "a.example:80x",
      "a.example:-1",
      "a.example:0",
      "a.example:65536",
      "a.example:99999999999999999999",
      "a..example",
      ".a.example",
      ".",
      "a.example..",
      ":80",
      "[::1",
      "::1",
      "[]",
      "[::1]x",
      "[::g]",
      "[fe80::1%25eth0]",
      "[1.2.3.4]",
      "[v1.a]",
      "a%2eexample",
      "a\\example",
      "a#b",
      "a?b",
      "é.example",
      "a.example\0",
      `${"a".repeat(300)}.example`,
    ];
    for (const host of invalid) {
      expect(statusOf("/", { host }), host).toBe(400);
      expect(statusOf("http://b.example/", { host }), host).toBe(400);
      // In the target a slash or a question mark ends it.
      if (!/[/?]/.test(host)) expect(statusOf(`http://${host}/`), host).toBe(400);
    }
  });

  test("RFC 3986 §6.2.2.1, §6.2.3: a host has one spelling", () => {
    const spellings: [string, boolean, string][] = [
      ["A.Example", false, "a.example"],
      ["a.example:80", false, "a.example"],
      ["a.example:443", false, "a.example:443"],
      ["a.example:443", true, "a.example"],
      ["a.example:80", true, "a.example:80"],
      ["a.example:1", false, "a.example:1"],
      ["a.example:65535", false, "a.example:65535"],
      ["a.example:0080", false, "a.example"],
      ["a.example:", false, "a.example"],
      ["a.example.", false, "a.example"],
      ["a.example.:8080", false, "a.example:8080"],
      ["my_service", false, "my_service"],
      ["127.0.0.1:4000", false, "127.0.0.1:4000"],
      ["[::1]", false, "[::1]"],
      ["[2001:DB8:0:0:0:0:0:1]:80", false, "[2001:db8::1]"],
      ["[2001:db8::1]:8080", true, "[2001:db8::1]:8080"],
    ];
    // The second time it is remembered.
    for (const [host, secure, expected] of [...spellings, ...spellings]) {
      expect(targetOf("/", { host, secure }).host).toBe(expected);
    }
  });

  test("RFC 9110 §4.2.4: user information in the target is refused", () => {
    expect(statusOf("http://a@a.example/")).toBe(400);
    expect(statusOf("http://a:b@a.example/")).toBe(400);
    expect(statusOf("http://a.example@evil.example/")).toBe(400);
    // After the path begins it is part of a name.
    expect(statusOf("http://a.example/@b")).toBe(200);
  });

  test("many made-up hosts do not change what one means", () => {
    for (let i = 0; i < 2000; i++) expect(targetOf("/", { host: `H${i}.example:80` }).host).toBe(`h${i}.example`);
    expect(targetOf("/", { host: "A.example" }).host).toBe("a.example");
  });
});

describe("normalising", () => {
  test("RFC 3986 §6.2.2.1: triplets are in capitals", () => {
    expect(pathOf("/%2f%e2%82%ac?%2f")).toBe("/%2F%E2%82%AC?%2F");
  });

  test("RFC 3986 §6.2.2.2: unreserved characters are not encoded", () => {
    expect(pathOf("/%41%7a%30%2D%2e%5f%7E?%41=%7e")).toBe("/Az0-._~?A=~");
    // Once: what comes out is no triplet that was meant.
    expect(pathOf("/%2541")).toBe("/%2541");
    for (let code = 1; code < 256; code++) {
      const triplet = `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
      const char = String.fromCharCode(code);
      const normal = /[A-Za-z0-9\-._~]/.test(char) ? char : triplet;
      for (const text of [triplet, triplet.toLowerCase()]) {
        expect(pathOf(`/a${text}b?c${text}d`)).toBe(`/a${normal}b?c${normal}d`);
        expect(pathOf(`/a${text}`)).toBe(`/a${normal}`);
        expect(pathOf(`/?c${text}`)).toBe(`/?c${normal}`);
      }
    }
    expect(pathOf("/?a=%00")).toBe("/?a=%00");
  });

  test("RFC 3986 §6.2.2.3: dot segments go, also encoded ones, and not beyond the root", () => {
    expect(pathOf("/a/./b/../c")).toBe("/a/c");
    expect(pathOf("/a/%2e%2E/b")).toBe("/b");
    expect(pathOf("/a/.%2e/b/%2e/")).toBe("/b/");
    expect(pathOf("/../../etc/passwd")).toBe("/etc/passwd");
    expect(pathOf("/a/..")).toBe("/");
    expect(pathOf("/a/b/.")).toBe("/a/b/");
    expect(pathOf("/..?x")).toBe("/?x");
  });

  test("names that begin with dots, dots in a query, and empty segments stay", () => {
    for (const path of [
      "/.well-known/x",
      "/...",
      "/a/..b",
      "/a..",
      "/a?b=/../c",
      "/a?/.",
      "//a//b/",
      "//evil.example/x",
    ])
      expect(pathOf(path)).toBe(path);
    expect(targetOf("//evil.example/x").url).toBe("http://a.example//evil.example/x");
  });

  test("an encoded slash or backslash is no separator, and refused where a server that takes it for one would see dot segments", () => {
    expect(pathOf("/a/b%2fc")).toBe("/a/b%2Fc");
    expect(pathOf("/a%5c.b/..c%2f..d;x")).toBe("/a%5C.b/..c%2F..d;x");
    expect(pathOf("/a?/..%2f")).toBe("/a?/..%2F");
    for (const path of ["/a/..%2fb", "/a/..%5cb", "/a%2f..", "/a%2F./b", "/..;/a", "/a/.;x=1", "/a/%2e%2e%3bx"]) {
      expect(statusOf(path), path).toBe(400);
    }
  });

  test("what browsers send unencoded is passed on", () => {
    expect(pathOf('/a|b?q={"x":[1]}^`')).toBe('/a|b?q={"x":[1]}^`');
  });

  test("RFC 3986 §2.1: a stray percent sign is refused in a path, and makes a query stay as it is", () => {
    for (const path of ["/%", "/%2", "/%zz", "/100%", "/%2%65"]) expect(statusOf(path)).toBe(400);
    expect(pathOf("/%41?off=20%&b=%41")).toBe("/A?off=20%&b=%41");
    expect(pathOf("/?%2%65")).toBe("/?%2%65");
  });

  test("RFC 3986 §2, RFC 9112 §3.2: controls, spaces, backslashes, fragments and what is not ASCII are 400", () => {
    const refused = [
      "/a b",
      "/a\tb",
      "/a\rb",
      "/a\nb",
      "/a\0b",
      "/a\x7fb",
      "/a\\b",
      "/a#b",
      "/a?b#c",
      "/a?b c",
      "/é",
      "/a?é",
      "/\u20ac",
      "/a%00b",
      "http://a.example/#x",
      "http://a.example\\@evil.example/",
      "http://a.example#@evil.example/",
      "http://a.example/\n",
    ];
    for (const target of refused) expect(statusOf(target), target).toBe(400);
  });
});

describe("any target", () => {
  const piece = fc.constantFrom(
    ..."abzA09-._~!$&'()*+,;=:@/?%|\"<>[]{}^`".split(""),
    "/",
    "/..",
    "/.",
    "/%2e",
    "/%2E%2e",
    "%2f",
    "%41",
    "%7e",
    "%C3%A9",
    "%25",
    "%",
    "é",
    "\\",
    " ",
    "#",
    "\n",
  );
  const target = fc.array(piece, { maxLength: 24 }).map((pieces) => `/${pieces.join("")}`);

  test("RFC 3986 §6.2.2: normalising twice is normalising once", () => {
    fc.assert(
      fc.property(target, (text) => {
        const parsed = parse(text);
        if ("refused" in parsed) return;
        expect(pathOf(parsed.target.path)).toBe(parsed.target.path);
        expect(targetOf(parsed.target.url)).toEqual(parsed.target);
      }),
      { numRuns: 3000 },
    );
  });

  test("RFC 3986 §5.2.4: dots are removed as by the algorithm there", () => {
    const segments = fc.array(fc.constantFrom(".", "..", "", "a", "b.", ".c", "..d", "%2e", "%2E."), { maxLength: 8 });
    fc.assert(
      fc.property(segments, (parts) => {
        const path = `/${parts.join("/")}`;
        expect(pathOf(path)).toBe(removeDotSegments(path.replace(/%2e/gi, ".")));
      }),
      { numRuns: 2000 },
    );
  });

  test("what another reader of URLs makes of it is the same place", () => {
    fc.assert(
      fc.property(target, (text) => {
        const parsed = parse(text);
        if ("refused" in parsed) return;
        const { host, pathname, search } = new URL(parsed.target.url);
        expect(host).toBe("a.example");
        const mark = parsed.target.path.indexOf("?");
        // WHATWG encodes some of what is passed on, and drops an empty query.
        const encoded = (part: string) =>
          part.replace(/["<>`{}^|']/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
        const own = mark < 0 ? parsed.target.path : parsed.target.path.slice(0, mark);
        expect(encoded(pathname)).toBe(encoded(own));
        expect(encoded(search || "?")).toBe(encoded(mark < 0 ? "?" : parsed.target.path.slice(mark)));
      }),
      { numRuns: 2000 },
    );
  });

  test("never throws, and takes no long time over 64 KiB", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.string({ maxLength: 30 }),
        fc.boolean(),
        (a, host, secure) => {
          for (const requestTarget of [a, `/${a}`, `http://${a}`]) parse(requestTarget, { host, secure });
        },
      ),
      { numRuns: 2000 },
    );
    const began = performance.now();
    for (const unit of ["/.", "/..", "%2e", "/%2e%2e", "%", "a%20", "/", "?", "%2", "..;/"]) {
      const long = `/${unit.repeat(8190 / unit.length)}`;
      for (const text of [long, `${long}\n`, `${long}%`, `/${unit.repeat(65_536)}`, `http://${unit.repeat(2000)}`]) {
        parse(text);
        parse("/", { host: text });
      }
    }
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
