import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { doFourJobs } from "../support/four-jobs.js";
import { compileProject, nodeIn, type Packed, packPackage, projectWith } from "../support/packed-project.js";
import { tempDir } from "../support/temp-dir.js";

const ROOT = resolve(import.meta.dirname, "../..");

let packed: Packed;

beforeAll(async () => {
  packed = await packPackage();
});

describe("the package", () => {
  test("holds what is needed, and nothing else", () => {
    const wanted =
      /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/cache\.js|bin\/package\.json|dist\/(?:fastify|main|prom-client|rest|structured-headers|undici|zod)\.(?:cjs|[\w.-]+\.code)|dist\/lib\/[\w/-]+\.(?:js|d\.ts)|dist\/page\/[\w-]+\.(?:html|js|css|svg)(?:\.br|\.gz)?|dist\/THIRD-PARTY\.txt|dist\/man\/cache\.1)$/;
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
    expect(
      [...needed, "dist/lib/index.d.ts", "dist/page/index.html", "dist/man/cache.1", "dist/THIRD-PARTY.txt"].filter(
        (path) => !packed.files.includes(path),
      ),
    ).toEqual([]);
    // Of the types those alone that index.d.ts leads to.
    expect(packed.files.filter((path) => /d\.ts$/.test(path) && /sqlite|redis|memory|cli|commands/.test(path))).toEqual(
      [],
    );
  });

  test("is small enough to be fetched in a script", () => {
    expect(packed.size).toBeLessThan(2.5e6);
    expect(packed.unpackedSize).toBeLessThan(7.5e6);
  });

  test("tells the licenses of what is bundled", async () => {
    const folder = await projectWith(packed, []);
    const notices = readFileSync(join(folder, "node_modules/cachectl/dist/THIRD-PARTY.txt"), "utf8");
    for (const name of ["fastify", "zod", "@oclif/core", "better-sqlite3", "undici", "preact", "uplot"])
      expect(notices).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((?:MIT|Apache-2\\.0)\\)$`, "m"));
    // It is installed with the package, and has its own with it.
    expect(notices).not.toMatch(/^ioredis /m);
  });

  test("does what people have it for, in an empty folder of somebody who has configured nothing", async () => {
    const folder = await projectWith(packed);
    const cwd = tempDir("empty");
    const program = join(folder, "node_modules/cachectl/bin/cache.js");
    await doFourJobs({ command: [process.execPath, program], cwd, env: { HOME: tempDir("home") } });
  });

  test.each([
    ["is not compiled", (_path: string) => {}],
    ["was compiled for something else", (path: string) => writeFileSync(path, "\x7fELF of another machine")],
  ])("says what to do where SQLite's driver %s", async (_, put) => {
    const folder = await projectWith(packed, []);
    const driver = join(folder, "node_modules/better-sqlite3/build/Release");
    mkdirSync(driver, { recursive: true });
    put(join(driver, "better_sqlite3.node"));
    const program = join(folder, "node_modules/cachectl/bin/cache.js");
    const told = await nodeIn(folder, [program, "set", "a", "b"], { HOME: tempDir("home") }).then(
      () => undefined,
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );
    expect(told).toEqual({
      code: 2,
      stderr: expect.stringMatching(/driver is not compiled.*\n {2}Run npm rebuild better-sqlite3 .*\n$/),
    });
  });

  test("says of itself what a registry shows", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    for (const field of ["description", "keywords", "license", "engines", "bin", "exports", "files"])
      expect(manifest[field], field).toBeTruthy();
    expect(manifest.private).toBeUndefined();
    // npm installs the manual page only where it is one of a list.
    expect(manifest.man).toEqual(["dist/man/cache.1"]);
    // What is bundled is not installed again with the package.
    expect(Object.keys(manifest.dependencies).sort()).toEqual(["@msgpack/msgpack", "better-sqlite3", "ioredis"]);
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
