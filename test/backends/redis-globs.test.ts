import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { compileGlob } from "../../src/selector.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

const NAMESPACES = ["", "a*[b]?\\^-:"];
let server: RedisServer;
let backends: Backend[];

beforeAll(async () => {
  server = await startRedis();
  backends = await Promise.all(
    NAMESPACES.map((namespace) => openRedis({ url: server.url, namespace, clock: systemClock, emit: () => {} })),
  );
});
afterAll(async () => {
  for (const backend of backends) await backend.close();
  await server.stop();
});

async function listed(backend: Backend, match: string): Promise<string[]> {
  const keys = new Set<string>();
  for await (const page of backend.scan({ match })) for (const { key } of page.entries) keys.add(key);
  return [...keys].sort();
}

async function hold(backend: Backend, keys: readonly string[]): Promise<void> {
  await redisCli(server, "FLUSHALL");
  await backend.setMany(keys.map((key) => ({ key, value: Buffer.from("v") })));
}

/** Everything that means something in a glob of ours or of Redis's, and characters of one, two and four bytes. */
const CHARS = ["a", "b", "*", "*", "?", "[", "]", "^", "-", "\\", "é", "😀"];
const text = (lengths: { minLength?: number; maxLength: number }) =>
  fc.array(fc.constantFrom(...CHARS), lengths).map((chars) => chars.join(""));

function isGlob(pattern: string): boolean {
  try {
    compileGlob(pattern);
    return true;
  } catch (error) {
    if (error instanceof CacheError && error.code === "invalid-glob") return false;
    throw error;
  }
}

/** Most patterns are made from a key, so that they hold something: each character as it is, escaped, or as a wildcard. */
const near = (key: string) =>
  fc
    .array(fc.constantFrom("literal", "literal", "*", "?", "class", "**"), { minLength: 12, maxLength: 12 })
    .map((ways) => {
      const literal = (char: string) => char.replace(/[*?[\]\\^-]/, "\\$&");
      return Array.from(key, (char, i) => {
        const way = ways[i % ways.length] ?? "literal";
        return way === "literal" ? literal(char) : way === "class" ? `[${literal(char)}a-b]` : way;
      }).join("");
    });

const keysOf = fc.uniqueArray(text({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 30 });
const world = keysOf.chain((keys) =>
  fc.record({
    keys: fc.constant(keys),
    patterns: fc.array(
      fc.oneof(text({ minLength: 1, maxLength: 8 }).filter(isGlob), fc.constantFrom(...keys).chain(near)),
      { minLength: 5, maxLength: 10 },
    ),
  }),
);

describe("a glob on Redis", () => {
  test.each([
    ["a\\**", ["a*", "a**", "a*1", "a*2"]],
    ["a\\*\\*", ["a**"]],
    ["*\\**\\**\\**\\*", []],
    ["*a*\\**", ["a*", "a**", "a*1", "a*2"]],
    ["?*?*\\*", ["a**"]],
  ])("%s tells a literal star from a wildcard", async (match, wanted) => {
    const [backend] = backends;
    if (!backend) throw new Error("there is no backend");
    await hold(backend, ["a*1", "a*2", "a*", "a**", "ab", "b"]);
    expect(await listed(backend, match)).toEqual(wanted);
  });

  test("lists the keys that the glob holds, and no others", async () => {
    for (const backend of backends) {
      await fc.assert(
        fc.asyncProperty(world, async ({ keys, patterns }) => {
          await hold(backend, keys);
          for (const pattern of patterns) {
            expect([pattern, await listed(backend, pattern)]).toEqual([
              pattern,
              keys.filter(compileGlob(pattern)).sort(),
            ]);
          }
        }),
        { numRuns: 60 },
      );
    }
  }, 60_000);
});
