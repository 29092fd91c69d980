import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MEMORY_POLICIES } from "../../src/backends/backend.js";
import { POLICIES, parseStoreUrl, redactUrl, resolvePath } from "../../src/config/store-url.js";
import { CacheError } from "../../src/errors.js";

const parse = (text: string) => parseStoreUrl(text, "--store", "/base", "/home/me");

function refusal(text: string): CacheError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe("store URLs", () => {
  it.each([
    ["sqlite:c.db", { kind: "sqlite", path: "/base/c.db" }],
    ["sqlite:./a b/c.db", { kind: "sqlite", path: "/base/a b/c.db" }],
    ["sqlite:/abs/c.db", { kind: "sqlite", path: "/abs/c.db" }],
    ["sqlite:///abs/c.db", { kind: "sqlite", path: "/abs/c.db" }],
    ["sqlite:~/c.db", { kind: "sqlite", path: "/home/me/c.db" }],
    ["SQLITE:c.db", { kind: "sqlite", path: "/base/c.db" }],
    ["file:dir", { kind: "file", path: "/base/dir" }],
    ["file:///dir", { kind: "file", path: "/dir" }],
    ["memory:", { kind: "memory" }],
    ["http://127.0.0.1:4001", { kind: "remote", url: "http://127.0.0.1:4001" }],
    ["HTTP://LocalHost:4001/", { kind: "remote", url: "http://localhost:4001" }],
    ["https://h/base/?ca=ca.pem&ttl=1m", { kind: "remote", url: "https://h/base", ca: "/base/ca.pem", ttl: 60_000 }],
    [
      "memory:?maxEntries=1000&maxBytes=64MB&policy=lru&ttl=5m",
      { kind: "memory", maxEntries: 1000, maxBytes: 64_000_000, policy: "lru", ttl: 300_000 },
    ],
    ["sqlite:c.db?policy=fifo&ttl=none", { kind: "sqlite", path: "/base/c.db", policy: "fifo", ttl: null }],
    ["redis://h", { kind: "redis", url: "redis://h" }],
    ["redis://h:7000/3", { kind: "redis", url: "redis://h:7000/3" }],
    ["redis://u:p%2F@h:7000/3?ttl=1m", { kind: "redis", url: "redis://u:p%2F@h:7000/3", ttl: 60_000 }],
    ["redis://[::1]:7000", { kind: "redis", url: "redis://[::1]:7000" }],
    ["redis+cluster://h1:7000,[::1]:7001", { kind: "redis", url: "redis+cluster://h1:7000,[::1]:7001" }],
    ["rediss+cluster://u:p@h1,h2/0?ttl=1m", { kind: "redis", url: "rediss+cluster://u:p@h1,h2/0", ttl: 60_000 }],
    ["redis+sentinel://h1:1,h2:2/primary", { kind: "redis", url: "redis+sentinel://h1:1,h2:2/primary" }],
    ["redis://h?connections=4", { kind: "redis", url: "redis://h", connections: 4 }],
    [
      "rediss+sentinel://:p@h1/primary/3?ca=ca.pem",
      { kind: "redis", url: "rediss+sentinel://:p@h1/primary/3", ca: "/base/ca.pem" },
    ],
    [
      "rediss://h/0?ca=ca.pem&cert=/c.pem&key=~/k.pem",
      { kind: "redis", url: "rediss://h/0", ca: "/base/ca.pem", cert: "/c.pem", key: "/home/me/k.pem" },
    ],
  ])("%s", (text, target) => {
    expect(parse(text)).toEqual(target);
  });

  it.each([
    ["", "is not a store URL"],
    ["c.db", "A file is sqlite:c.db"],
    ["/abs/c.db", "is not a store URL"],
    ["sqlite:", "needs a path"],
    ["sqlite::memory:", "needs a path"],
    ["file:", "needs a path"],
    ["memory:x", "takes no path"],
    ["mongodb://h", '"mongodb:" is not a kind of store'],
    ["http://me:secret@h", "has a user in it"],
    ["http://h/#x", "has a part after #"],
    ["http://h?maxEntries=1", "has no option"],
    ["redis://h1,h2", "names more than one host"],
    ["redis+sentinel://h", "names no primary"],
    ["redis+sentinel://h/", "names no primary"],
    ["redis+sentinel://h/name/x", "number of a Redis database"],
    ["redis+sentinel://h1,,h2/name", "names no host"],
    ["redis+cluster://h/1", "no database but 0"],
    ["redis+cluster://h:port", "is not a Redis URL"],
    ["redis+cluster:", "names no host"],
    ["redis://h?connections=21", "not a number from 1 to 20"],
    ["redis:", "names no host"],
    ["redis:///0", "names no host"],
    ["redis://h:port", "is not a Redis URL"],
    ["redis://h:99999", "is not a Redis URL"],
    ["redis://h/db", "number of a Redis database"],
    ["redis://h/1/2", "number of a Redis database"],
    ["redis://h/-1", "number of a Redis database"],
    ["redis://h?maxEntries=5", 'a redis store has no option "maxEntries"'],
    ["sqlite:c.db?size=5", 'has no option "size"'],
    ["sqlite:c.db?maxEntries=0", "maxEntries=0"],
    ["sqlite:c.db?maxEntries=1e3", "maxEntries=1e3"],
    ["sqlite:c.db?maxBytes=much", "is not a size"],
    ["sqlite:c.db?ttl=0", "would store nothing"],
    ["sqlite:c.db?policy=random", '"random" is no policy of this store'],
  ])("%j is refused with a hint", (text, message) => {
    const error = refusal(text);
    expect(error.kind).toBe("usage");
    expect(`${error.message} ${error.hint}`).toContain(message);
    expect(error.message.startsWith("--store: ")).toBe(true);
    expect(error.hint).toMatch(/\w/);
  });

  it("knows the policies that there are", () => {
    expect([...POLICIES.memory].sort()).toEqual([...MEMORY_POLICIES].sort());
    for (const policy of MEMORY_POLICIES) expect(parse(`memory:?policy=${policy}`)).toEqual({ kind: "memory", policy });
    expect(refusal("memory:?policy=arc").hint).toBe("Use w-tinylfu or lru or lfu or fifo or ttl.");
  });

  it("hints at what that store has", () => {
    expect(refusal("redis://h?maxEntries=5").hint).toBe("Its options are ttl, ca, cert, key and connections.");
    for (const url of ["sqlite:c?size=5", "file:d?ca=x", "memory:?size=5"])
      expect(refusal(url).hint).toBe("Its options are ttl, maxEntries, maxBytes and policy.");
    expect(refusal("sqlite:x?maxEntries=abc").hint).toBe("Write it like maxEntries=1000.");
  });

  it("throws nothing but its own error, whatever the text", () => {
    const scheme = fc.constantFrom(
      ..."sqlite: file: redis:// rediss:// redis+sentinel:// redis+cluster:// memory: http://".split(" "),
      "",
    );
    fc.assert(
      fc.property(scheme, fc.string({ unit: "binary" }), (start, rest) => {
        try {
          parse(start + rest);
        } catch (error) {
          expect(error).toBeInstanceOf(CacheError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("knows relative, absolute and home paths", () => {
    expect(resolvePath("a/../b", "/base", "/h")).toBe("/base/b");
    expect(resolvePath("/a", "/base", "/h")).toBe("/a");
    expect(resolvePath("~/a", "/base", "/h")).toBe("/h/a");
    expect(resolvePath("~a", "/base", "/h")).toBe("/base/~a");
  });
});

describe("redaction", () => {
  it.each([
    ["redis://h:1/0", "redis://h:1/0"],
    ["redis://u@h:1/0", "redis://u@h:1/0"],
    ["redis://u:pw@h:1/0", "redis://u:***@h:1/0"],
    ["redis://:pw@h", "redis://:***@h"],
    ["redis://:p:w@h", "redis://:***@h"],
    ["redis://h:1/0?ca=a@b", "redis://h:1/0?ca=a@b"],
    ["redis://:p/w@h", "redis://:***@h"],
    ["redis://:p?w@h", "redis://:***@h"],
    ["redis://u:1/w@h", "redis://u:***@h"],
    ["redis://u:p@w@h", "redis://u:***@h"],
    ["u:pw@h", "u:***@h"],
    ["sqlite:/a/b.db", "sqlite:/a/b.db"],
  ])("%s is shown as %s", (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });

  it("leaves no password in what is shown or refused", () => {
    // A word that can be in nothing else, between any characters that a password may hold.
    const password = fc
      .tuple(fc.string({ maxLength: 6 }), fc.string({ maxLength: 6 }))
      .map(([a, b]) => `${a}s3cr3t${b}`);
    const scheme = fc.constantFrom("redis://", "rediss://", "redis://u", "mongodb://u", "http://");
    const rest = fc.constantFrom("h", "h:1", "h:1/0", "h:x", "h/x", "h:1/0?what=1", "h:1/0?ca=a@b");
    fc.assert(
      fc.property(scheme, password, rest, (start, secret, end) => {
        const url = `${start}:${secret}@${end}`;
        // What comes before the password is shown as it is, and a "?" that was not escaped makes the rest a query.
        fc.pre(!(URL.canParse(url) && /[?#]/.test(secret)));
        expect(redactUrl(url)).not.toContain("s3cr3t");
        try {
          parse(url);
        } catch (error) {
          if (!(error instanceof CacheError)) throw error;
          expect(`${error.message} ${error.hint}`).not.toContain("s3cr3t");
        }
      }),
      { numRuns: 3000 },
    );
  });
});
