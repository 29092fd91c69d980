import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NewEntry, Stored } from "../../src/backends/backend.js";
import { openBackend, type StoreOptions } from "../../src/backends/open.js";
import { systemClock } from "../../src/clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const KINDS = ["sqlite", "file", "redis"] as const;
type Kind = (typeof KINDS)[number];

/** Milliseconds that a deadline may be off: Redis takes and gives what is left, between which time goes by. */
const TOLERANCE: Record<Kind, number> = { sqlite: 1, file: 1, redis: 500 };

interface Place {
  url: string;
  options: StoreOptions;
}

/** An empty store; of Redis a database of its own. */
async function emptyStore(kind: Kind, db: number): Promise<Place> {
  if (kind !== "redis") {
    const path = join(tempDir("trip"), "store");
    return { url: `${kind}:${path}`, options: { kind, path } };
  }
  await redisCli(server, "-n", String(db), "FLUSHDB");
  return { url: `${server.url}/${db}`, options: { kind, url: `${server.url}/${db}` } };
}

async function withBackend<T>(
  { options }: Place,
  use: (backend: Awaited<ReturnType<typeof openBackend>>) => Promise<T>,
): Promise<T> {
  const backend = await openBackend(options, { namespace: "", clock: systemClock, emit: () => undefined });
  try {
    return await use(backend);
  } finally {
    await backend.close();
  }
}

const hostile = fc.oneof(
  fc.constantFrom(
    "*",
    "[a-z]",
    "a\\b",
    "\n",
    "\r\n",
    "\t",
    "\x1b[2J",
    '"',
    "__proto__",
    "{tag}",
    "a}b",
    "\ufeff",
    "\u2028",
    " ",
    "😀",
    "e\u0301",
    "%00",
  ),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const name = fc.array(hostile, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
const keys = name.filter(
  (key) => key !== "" && !key.includes("\0") && key.isWellFormed() && Buffer.byteLength(key) <= 1024,
);
const tags = name.filter(
  (tag) => tag !== "" && !tag.includes("\0") && tag.isWellFormed() && Buffer.byteLength(tag) <= 256,
);
const value = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((text) => Buffer.from(text)),
  hostile.map((text) => Buffer.from(text)),
  fc
    .constantFrom("", "null", "1.0", "12345678901234567890", '{"encoding":"base64"}', "\ufeff{}")
    .map((text) => Buffer.from(text)),
  fc.integer({ min: 1, max: 300_000 }).map((size) => Buffer.alloc(size, "x\xff", "latin1")),
);
const entry = fc.record({
  key: keys,
  value,
  ttl: fc.option(fc.integer({ min: 60_000, max: 10 * 365 * 86_400_000 })),
  tags: fc.uniqueArray(tags, { maxLength: 3 }),
});
const entries = fc.uniqueArray(entry, { maxLength: 25, selector: ({ key }) => key });

const pairs = KINDS.flatMap((from) => KINDS.map((to): [Kind, Kind] => [from, to]));

describe("export, then warm into an empty store", () => {
  test.each(pairs)(
    "from %s to %s: the same bytes, tags and deadlines",
    async (from, to) => {
      const property = fc.asyncProperty(
        entries,
        fc.constantFrom(".ndjson", ".ndjson.gz", ".ndjson.br"),
        async (list, ending) => {
          const [source, target] = [await emptyStore(from, 0), await emptyStore(to, 1)];
          const now = Date.now();
          const written = list.map(({ key, value: bytes, ttl, tags: labels }): NewEntry => {
            const head = ttl === null ? {} : { expiresAt: now + ttl };
            return { key, value: bytes, tags: labels, ...head };
          });
          await withBackend(source, async (backend) => backend.setMany(written));
          const cwd = tempDir("trip");
          const out = await runCli(["export", `out${ending}`, "--store", source.url, "--json"], { cwd });
          expect(out.code).toBe(0);
          expect(out.json()).toMatchObject({ exported: list.length, unfit: 0, vanished: 0 });
          const warmed = await runCli(["warm", `out${ending}`, "--store", target.url, "--json"], { cwd });
          const said = list.length === 0 ? expect.stringContaining("no record to read") : "";
          expect([warmed.code, warmed.stderr]).toEqual([0, said]);
          expect(warmed.json()).toMatchObject({ stored: list.length, rejected: 0, expired: 0 });
          await withBackend(target, async (backend) => {
            const found = await backend.getMany(
              list.map(({ key }) => key),
              { want: "all", peek: true },
            );
            written.forEach((entry, i) => {
              expectSame(entry, found[i], TOLERANCE[from] + TOLERANCE[to]);
            });
            let count = 0;
            for await (const page of backend.scan({ all: true }))
              count += new Set(page.entries.map(({ key }) => key)).size;
            expect(count).toBe(list.length);
          });
        },
      );
      await fc.assert(property, { numRuns: 12 });
    },
    60_000,
  );
});

function expectSame(written: NewEntry, found: Stored | undefined, tolerance: number): void {
  expect(found, JSON.stringify(written.key)).toBeDefined();
  expect(Buffer.compare(found?.value ?? Buffer.alloc(0), written.value)).toBe(0);
  expect([...(found?.tags ?? [])].sort()).toEqual([...(written.tags ?? [])].sort());
  if (written.expiresAt === undefined) expect(found?.expiresAt).toBeUndefined();
  else expect(Math.abs((found?.expiresAt ?? 0) - written.expiresAt)).toBeLessThanOrEqual(tolerance);
}

describe("real data, warmed and read back, is the source's own text", () => {
  const require = createRequire(import.meta.url);

  test.each([
    ["mime-db", "mime-db/db.json", 2000],
    ["@mdn/browser-compat-data", "@mdn/browser-compat-data", 10],
  ])(
    "%s",
    async (_name, module, least) => {
      const path = require.resolve(module);
      const source = readFileSync(path, "utf8");
      const parsed: Record<string, unknown> = JSON.parse(source);
      const names = Object.keys(parsed);
      expect(names.length).toBeGreaterThan(least);
      for (const kind of KINDS) {
        const store = await emptyStore(kind, 2);
        const run = await runCli(["warm", path, "--store", store.url, "--json"], { cwd: tempDir("real") });
        expect(run.code).toBe(0);
        expect(run.json()).toMatchObject({ stored: names.length, rejected: 0 });
        const found = await withBackend(store, async (backend) => backend.getMany(names));
        for (const [i, key] of names.entries()) {
          const text = Buffer.from(found[i]?.value ?? "").toString();
          // The value follows its name, after the colon and at most a space.
          const member = `${JSON.stringify(key)}:`;
          expect(source.includes(member + text) || source.includes(`${member} ${text}`), key).toBe(true);
          expect(JSON.parse(text)).toEqual(parsed[key]);
        }
      }
    },
    60_000,
  );
});
