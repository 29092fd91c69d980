import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { tempDir } from "../support/temp-dir.js";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const manifest: { version: string; dependencies: Record<string, string> } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);

/** What npm puts into the package; `npm run build` was before the tests. */
let files: string[];
let tarball: string;

beforeAll(async () => {
  const folder = tempDir("pack");
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: ROOT,
  });
  const [packed]: { filename: string; files: { path: string }[] }[] = JSON.parse(stdout);
  files = packed?.files.map(({ path }) => path) ?? [];
  tarball = join(folder, packed?.filename ?? "");
});

/** A TypeScript project of somebody else's, with the package installed; its dependencies are those of this clone. */
async function project(dependencies = Object.keys(manifest.dependencies)): Promise<string> {
  const folder = tempDir("project");
  const modules = join(folder, "node_modules");
  const installed = join(modules, "cachectl");
  mkdirSync(installed, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"]);
  for (const name of [...dependencies, "@types/node", "undici-types"]) {
    const link = join(modules, name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), link);
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    // The types of the package are checked too.
    skipLibCheck: false,
    types: ["node"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  return folder;
}

const compile = (folder: string) =>
  run(process.execPath, [TSC, "-p", folder]).then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );

const node = (folder: string, ...args: string[]) => run(process.execPath, args, { cwd: folder, env: {} });

describe("the package", () => {
  test("holds what is needed, and nothing else", () => {
    const wanted =
      /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/cache\.js|bin\/package\.json|dist\/(?:main|zod)\.cjs|dist\/main\.[\w.-]+\.code|dist\/lib\/[\w/-]+\.(?:js|d\.ts))$/;
    expect(files.filter((path) => !wanted.test(path))).toEqual([]);
    const needed = ["README.md", "LICENSE", "CHANGELOG.md", "bin/cache.js", "dist/main.cjs", "dist/lib/index.js"];
    expect([...needed, "dist/lib/index.d.ts"].filter((path) => !files.includes(path))).toEqual([]);
    // Of the types those alone that index.d.ts leads to.
    expect(files.filter((path) => /d\.ts$/.test(path) && /sqlite|redis|memory|cli|commands/.test(path))).toEqual([]);
  });

  test("in a new TypeScript project the lines of the README compile, run, and leave the types right", async () => {
    const folder = await project();
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
    expect(blocks.length).toBeGreaterThanOrEqual(2);
    expect(blocks[0]?.trim().split("\n")).toHaveLength(5);
    for (const [i, block] of blocks.entries()) writeFileSync(join(folder, `block${i}.ts`), block);
    const types = readFileSync(join(ROOT, "test/types/library.ts"), "utf8");
    expect(types).toContain('from "../../src/index.js"');
    writeFileSync(join(folder, "types.ts"), types.replace("../../src/index.js", "cachectl"));
    expect(await compile(folder)).toBe("");
    expect((await node(folder, "block0.js")).stdout).toBe("{ name: 'Ada' }\n");
    expect((await node(folder, "block1.js")).stdout).toBe("user 7\n1\nusage invalid-key\n");
  });

  test("types that are wrong are refused", async () => {
    const folder = await project();
    writeFileSync(join(folder, "wrong.ts"), 'import { openCache } from "cachectl";\nawait openCache({ store: 1 });\n');
    expect(await compile(folder)).toMatch(/wrong\.ts\(2,\d+\): error TS2322/);
  });

  test("is imported and required, and loads no client of a store that is not opened", async () => {
    const folder = await project([]);
    const use = `const cache = await openCache({ store: "memory:" });
      await cache.set("k", [1]);
      console.log(await cache.get("k"));
      await cache.close();`;
    writeFileSync(join(folder, "a.mjs"), `import { openCache } from "cachectl";\n${use}`);
    expect((await node(folder, "a.mjs")).stdout).toBe("[ 1 ]\n");
    writeFileSync(join(folder, "b.cjs"), `const { openCache } = require("cachectl");\n(async () => { ${use} })();`);
    expect((await node(folder, "--no-warnings", "b.cjs")).stdout).toBe("[ 1 ]\n");
    writeFileSync(
      join(folder, "c.mjs"),
      'import { openCache } from "cachectl";\nawait openCache({ store: "sqlite:./c.db" });',
    );
    await expect(node(folder, "c.mjs")).rejects.toThrow("better-sqlite3");
  });

  test("what it exports is what index.ts lists", async () => {
    const folder = await project([]);
    writeFileSync(join(folder, "a.mjs"), 'console.log(Object.keys(await import("cachectl")).sort().join(" "));');
    const { stdout } = await node(folder, "a.mjs");
    const index = readFileSync(join(ROOT, "src/index.ts"), "utf8");
    const values = [...index.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names = ""]) => names.split(","));
    const listed = values.map((name) => name.trim()).filter((name) => name !== "" && !name.startsWith("type "));
    expect(listed).toContain("openCache");
    expect(stdout.trim().split(" ")).toEqual(listed.sort());
    writeFileSync(join(folder, "b.mjs"), 'await import("cachectl/dist/lib/library.js");');
    await expect(node(folder, "b.mjs")).rejects.toThrow("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });
});

test.each(["express.js", "fastify.js", "products.js"])(
  "examples/web/%s is sound, and uses what there is",
  async (name) => {
    const path = join(ROOT, "examples/web", name);
    await run(process.execPath, ["--check", path]);
    const source = readFileSync(path, "utf8");
    const imported = [...source.matchAll(/import \{([^}]*)\} from "cachectl"/g)].flatMap(([, names = ""]) =>
      names.split(","),
    );
    const index = readFileSync(join(ROOT, "src/index.ts"), "utf8");
    for (const one of imported) expect(index).toMatch(new RegExp(`\\b${one.trim()}\\b`));
    expect(imported.length > 0).toBe(name !== "products.js");
  },
);
