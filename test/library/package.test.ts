import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { compileProject, nodeIn, type Packed, packPackage, projectWith } from "../support/packed-project.js";

const ROOT = resolve(import.meta.dirname, "../..");

let packed: Packed;

beforeAll(async () => {
  packed = await packPackage();
});

describe("the package", () => {
  test("holds what is needed, and nothing else", () => {
    const wanted =
      /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/cache\.js|bin\/package\.json|dist\/(?:fastify|main|pino|prom-client|rest|structured-headers|undici|zod)\.(?:cjs|[\w.-]+\.code)|dist\/lib\/[\w/-]+\.(?:js|d\.ts))$/;
    expect(packed.files.filter((path) => !wanted.test(path))).toEqual([]);
    const needed = [
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "bin/cache.js",
      "dist/main.cjs",
      "dist/rest.cjs",
      "dist/lib/index.js",
    ];
    expect([...needed, "dist/lib/index.d.ts"].filter((path) => !packed.files.includes(path))).toEqual([]);
    // Of the types those alone that index.d.ts leads to.
    expect(packed.files.filter((path) => /d\.ts$/.test(path) && /sqlite|redis|memory|cli|commands/.test(path))).toEqual(
      [],
    );
  });

  test("in a new TypeScript project its types allow and refuse what they should", async () => {
    const folder = await projectWith(packed);
    const types = readFileSync(join(ROOT, "test/types/library.ts"), "utf8");
    expect(types).toContain('from "../../src/index.js"');
    writeFileSync(join(folder, "types.ts"), types.replace("../../src/index.js", "cachectl"));
    expect(await compileProject(folder)).toBe("");
  });

  test("types that are wrong are refused", async () => {
    const folder = await projectWith(packed);
    writeFileSync(join(folder, "wrong.ts"), 'import { openCache } from "cachectl";\nawait openCache({ store: 1 });\n');
    expect(await compileProject(folder)).toMatch(/wrong\.ts\(2,\d+\): error TS2322/);
  });

  test("is imported and required, and loads no client of a store that is not opened", async () => {
    const folder = await projectWith(packed, []);
    const use = `const cache = await openCache({ store: "memory:" });
      await cache.set("k", [1]);
      console.log(await cache.get("k"));
      await cache.close();`;
    writeFileSync(join(folder, "a.mjs"), `import { openCache } from "cachectl";\n${use}`);
    expect((await nodeIn(folder, ["a.mjs"])).stdout).toBe("[ 1 ]\n");
    writeFileSync(join(folder, "b.cjs"), `const { openCache } = require("cachectl");\n(async () => { ${use} })();`);
    expect((await nodeIn(folder, ["--no-warnings", "b.cjs"])).stdout).toBe("[ 1 ]\n");
    writeFileSync(
      join(folder, "c.mjs"),
      'import { openCache } from "cachectl";\nawait openCache({ store: "sqlite:./c.db" });',
    );
    await expect(nodeIn(folder, ["c.mjs"])).rejects.toThrow("better-sqlite3");
  });

  test("what it exports is what index.ts lists", async () => {
    const folder = await projectWith(packed, []);
    writeFileSync(join(folder, "a.mjs"), 'console.log(Object.keys(await import("cachectl")).sort().join(" "));');
    const { stdout } = await nodeIn(folder, ["a.mjs"]);
    const index = readFileSync(join(ROOT, "src/index.ts"), "utf8");
    const values = [...index.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names = ""]) => names.split(","));
    const listed = values.map((name) => name.trim()).filter((name) => name !== "" && !name.startsWith("type "));
    expect(listed).toContain("openCache");
    expect(stdout.trim().split(" ")).toEqual(listed.sort());
    writeFileSync(join(folder, "b.mjs"), 'await import("cachectl/dist/lib/library.js");');
    await expect(nodeIn(folder, ["b.mjs"])).rejects.toThrow("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });
});
