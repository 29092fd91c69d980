import { execFile } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allBlocks, blocksOf, readDocument } from "../support/documents.js";
import { compileProject, nodeIn, type Packed, packPackage, projectWith } from "../support/packed-project.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

const ROOT = resolve(import.meta.dirname, "../..");

let packed: Packed;
let redis: RedisServer;

beforeAll(async () => {
  [packed, redis] = await Promise.all([packPackage(), startRedis()]);
});

afterAll(() => redis.stop());

describe("the documents", () => {
  /** Their programs, with the server of this test in place of the reader's own. */
  const programs = () => allBlocks("ts").map(({ text }) => text.replaceAll("redis://localhost:6379", redis.url));

  /** What a program says it prints: the comment behind each `console.log`. */
  const promised = (program: string) =>
    [...program.matchAll(/\bconsole\.log\(.*\); \/\/ (.*)$/gm)].map(([, printed = ""]) => printed);

  test("begin with five lines", () => {
    const first = blocksOf(readDocument("README.md")).find(({ language }) => language === "ts");
    expect(first?.text.trim().split("\n")).toHaveLength(5);
  });

  test("have programs that compile in a new project, and print what they say", { timeout: 60_000 }, async () => {
    const folder = await projectWith(packed);
    const all = programs();
    expect(all.length).toBeGreaterThanOrEqual(8);
    for (const [i, program] of all.entries()) writeFileSync(join(folder, `program${i}.ts`), program);
    expect(await compileProject(folder)).toBe("");
    for (const [i, program] of all.entries()) {
      const { stdout, stderr } = await nodeIn(folder, [`program${i}.js`]);
      expect([stdout.trimEnd().split("\n"), stderr], program).toEqual([promised(program), ""]);
    }
  });
});

describe("examples/records", () => {
  const RUN = [
    'lamp: {"id":1,"name":"Desk lamp","price":39} (reads: 1)',
    'three: ["Desk lamp","Bookshelf","Chair"] (reads: 1)',
    'cheap: ["Desk lamp","Chair"] (reads: 1)',
    'again: ["Desk lamp","Chair"] (reads: 0)',
    'lamp: {"id":1,"name":"Desk lamp","price":129} (reads: 1)',
    'cheap: ["Chair"] (reads: 1)',
    'cheap: ["Rug","Chair"] (reads: 1)',
    "rug: null (reads: 1)",
    'cheap: ["Desk lamp","Chair","Bookshelf"] (reads: 1)',
    "rolled back: CHECK constraint failed: price > 0",
    'lamp: {"id":1,"name":"Desk lamp","price":45} (reads: 1)',
  ];

  test.each<[string, () => string]>([
    ["memory", () => "memory:"],
    ["SQLite", () => "sqlite:./cache.db"],
    ["Redis", () => redis.url],
  ])("reads a SQLite database through %s, and shows every change at once", async (_, store) => {
    const folder = await projectWith(packed);
    const example = join(ROOT, "examples/records");
    for (const name of readdirSync(example)) copyFileSync(join(example, name), join(folder, name));
    const { stdout, stderr } = await nodeIn(folder, ["records.js"], { CACHE_STORE: store(), DATABASE: "shop.db" });
    expect([stdout.trimEnd().split("\n"), stderr]).toEqual([RUN, ""]);
    const db = new Database(join(folder, "shop.db"), { readonly: true });
    expect(db.prepare("SELECT price FROM products ORDER BY id").pluck().all()).toEqual([45, 99, 75]);
    db.close();
    if (store() === redis.url) expect(await redisCli(redis, "GET", "shop:product:1")).toContain('"price":45');
  });
});

test.each(["express.js", "fastify.js", "products.js"])(
  "examples/web/%s is sound, and uses what there is",
  async (name) => {
    const path = join(ROOT, "examples/web", name);
    await promisify(execFile)(process.execPath, ["--check", path]);
    const source = readFileSync(path, "utf8");
    const imported = [...source.matchAll(/import \{([^}]*)\} from "cachectl"/g)].flatMap(([, names = ""]) =>
      names.split(","),
    );
    const index = readFileSync(join(ROOT, "src/index.ts"), "utf8");
    for (const one of imported) expect(index).toMatch(new RegExp(`\\b${one.trim()}\\b`));
    expect(imported.length > 0).toBe(name !== "products.js");
  },
);
