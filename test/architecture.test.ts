import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { circlesIn, type Import, importsOf, loadedAtOnce, readSources } from "./support/imports.js";

const ROOT = join(import.meta.dirname, "../src");
const sources = readSources(ROOT);

/** Importable by all. */
const GROUND = [
  "errors.ts",
  "clock.ts",
  "units.ts",
  "key.ts",
  "option-checks.ts",
  "selector.ts",
  "events.ts",
  "changes.ts",
  "change-window.ts",
  "decoded.ts",
  "namespace-scope.ts",
  "new-folder.ts",
  "real-path.ts",
  "package-folder.ts",
  "utf8.ts",
  "version.ts",
];

interface Floor {
  /** A file, or a folder with its `/`; the first that a path begins with counts. */
  at: string;
  /** What it may import besides its own folder and the ground. */
  from: readonly string[];
  /** What it may import the types of. */
  types?: readonly string[];
  /** Its own folder may not be imported freely: only what `from` says. */
  strict?: boolean;
}

/** The table of src/README.md. */
const FLOORS: readonly Floor[] = [
  ...GROUND.map((at): Floor => ({ at, from: [] })),
  { at: "config/", from: [] },
  { at: "api/", from: [], types: ["backends/backend.ts"] },
  { at: "backends/backend.ts", from: [], strict: true },
  { at: "backends/envelope.ts", from: ["backends/backend.ts"], strict: true },
  { at: "backends/follower.ts", from: ["backends/backend.ts"], strict: true },
  { at: "backends/streaming.ts", from: ["backends/backend.ts"], strict: true },
  { at: "backends/memory/", from: ["backends/backend.ts", "backends/streaming.ts"] },
  { at: "backends/sqlite/", from: ["backends/backend.ts", "backends/envelope.ts", "backends/streaming.ts"] },
  { at: "backends/redis/", from: ["backends/backend.ts", "backends/envelope.ts", "backends/streaming.ts"] },
  { at: "backends/file/", from: ["backends/backend.ts", "backends/sqlite/"] },
  { at: "backends/remote/", from: ["backends/backend.ts", "backends/streaming.ts", "api/"] },
  // They wrap any backend and know none.
  { at: "backends/tiered/", from: ["backends/backend.ts", "backends/follower.ts", "backends/streaming.ts"] },
  { at: "backends/resilient/", from: ["backends/backend.ts"] },
  { at: "backends/transform/", from: ["backends/backend.ts", "backends/envelope.ts", "backends/streaming.ts"] },
  { at: "backends/", from: [] },
  { at: "cache/", from: ["backends/backend.ts", "backends/follower.ts"] },
  { at: "compose.ts", from: ["backends/"] },
  { at: "open-cache.ts", from: ["compose.ts", "config/", "cache/", "backends/"] },
  { at: "http/http-cache.ts", from: ["cache/", "http/"], types: ["backends/backend.ts"] },
  { at: "http/", from: [], types: ["config/rules.ts"] },
  { at: "transfer/", from: ["cache/"], types: ["backends/backend.ts"] },
  { at: "bench/", from: ["cache/"], types: ["backends/backend.ts"] },
  { at: "serve/", from: ["http/", "transfer/", "cache/", "api/", "backends/backend.ts"], types: ["config/"] },
  // Another program, in a browser: it knows what the admin API says, and nothing else of this one.
  { at: "page/", from: [], types: ["api/"] },
  { at: "cli/bench-options.ts", from: ["cli/", "config/", "bench/"] },
  { at: "cli/", from: ["open-cache.ts", "config/"], types: ["cache/", "transfer/", "bench/", "backends/backend.ts"] },
  { at: "commands/serve.ts", from: ["cli/", "cache/", "transfer/", "serve/", "http/", "config/"] },
  { at: "commands/serve/", from: ["cli/", "config/"] },
  { at: "commands/purge.ts", from: ["cli/", "cache/", "http/"], types: ["config/"] },
  { at: "commands/bench.ts", from: ["cli/", "cache/", "transfer/", "bench/"] },
  { at: "commands/config/", from: ["cli/", "config/"] },
  // The words of the contract (an entry, a report of a deletion) and the resolved settings are what they show.
  { at: "commands/", from: ["cli/", "cache/", "transfer/"], types: ["backends/backend.ts", "config/"] },
  { at: "run.ts", from: ["cli/", "commands/"] },
  { at: "main.ts", from: ["run.ts", "cli/"] },
  { at: "library-options.ts", from: ["cache/", "backends/"] },
  { at: "library.ts", from: ["library-options.ts", "compose.ts", "cache/", "config/", "backends/"] },
  {
    at: "index.ts",
    from: ["library.ts", "library-options.ts", "open-cache.ts", "cache/", "config/", "backends/", "transfer/"],
  },
];

/** The only places that know a package; open-cache.ts alone tries whether one can be loaded, to say what is available. */
const HOMES: Record<string, readonly string[]> = {
  ioredis: ["backends/redis/"],
  "better-sqlite3": ["backends/sqlite/"],
  "lru-cache": ["backends/memory/"],
  inquirer: ["cli/"],
  chalk: ["cli/"],
  "cli-table3": ["cli/"],
  zod: ["config/", "api/"],
  "@msgpack/msgpack": ["cache/"],
  preact: ["page/"],
  uplot: ["page/"],
};

/** What the core may not do: it is handed clock, streams and environment. */
const FORBIDDEN_IN_CORE: Record<string, RegExp> = {
  "prints with console": /\bconsole\./,
  "uses a standard stream": /\bprocess\.(?:stdout|stderr|stdin)\b/,
  "ends the process": /\bprocess\.(?:exit|exitCode|abort)\b/,
  "reads the environment": /\bprocess\.env\b/,
  "reads the working directory": /\bprocess\.cwd\(/,
  "reads the clock itself": /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
};
const CORE = ["cache/", "backends/", "transfer/", "http/", "config/", "api/", "open-cache.ts", ...GROUND];

const covers = (place: string, path: string) => (place.endsWith("/") ? path.startsWith(place) : path === place);

const floorOf = (path: string) => FLOORS.find(({ at }) => covers(at, path));

function mayImport(path: string, { file, typeOnly }: Import): boolean {
  if (file === undefined || GROUND.includes(file)) return true;
  const floor = floorOf(path);
  if (!floor) return false;
  const own = floor.at.endsWith("/") && !floor.strict ? [floor.at] : [];
  const places = [...own, ...floor.from, ...(typeOnly ? (floor.types ?? []) : [])];
  return places.some((place) => covers(place, file));
}

describe("architecture", () => {
  test("every file has a floor", () => {
    expect(sources.length).toBeGreaterThan(20);
    expect(sources.map(({ path }) => path).filter((path) => !floorOf(path))).toEqual([]);
  });

  test("a file imports only what its floor may", () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports.filter((one) => !mayImport(path, one)).map((one) => `${path} imports ${one.file}`),
    );
    expect(wrong).toEqual([]);
  });

  test("every import leads to a file", () => {
    const targets = sources.flatMap(({ path, imports }) =>
      imports.flatMap(({ file }) => (file ? [{ path, file }] : [])),
    );
    expect(targets.filter(({ file }) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test("there are no circles", () => {
    expect(circlesIn(sources).map((way) => way.join(" > "))).toEqual([]);
  });

  test("each package has its home", () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports.flatMap(({ package: name, dynamic }) => {
        if (path === "open-cache.ts" && dynamic) return [];
        const homes = name === undefined ? undefined : HOMES[name];
        return homes && !homes.some((home) => covers(home, path)) ? [`${path} imports ${name}`] : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test.each(["main.ts", "open-cache.ts", "index.ts"])("%s loads no client before it is needed", (start) => {
    const loaded = loadedAtOnce(sources, start);
    const clients = ["ioredis", "better-sqlite3", "lru-cache", "inquirer", "zod"];
    expect(clients.filter((name) => loaded.has(name))).toEqual([]);
  });

  test("the core prints nothing, ends nothing, and reads neither environment nor clock", () => {
    const wrong = sources
      .filter(({ path }) => path !== "clock.ts" && CORE.some((place) => covers(place, path)))
      .flatMap(({ path, text }) =>
        Object.entries(FORBIDDEN_IN_CORE).flatMap(([what, pattern]) => (pattern.test(text) ? [`${path} ${what}`] : [])),
      );
    expect(wrong).toEqual([]);
  });

  test("no file has a name that could hold anything", () => {
    const vague = /(?:^|[/-])(?:utils?|helpers?|common|shared|misc)(?:[.-]|$)/;
    expect(sources.map(({ path }) => path).filter((path) => vague.test(path) || /[A-Z_]/.test(path))).toEqual([]);
  });
});

describe("the check itself", () => {
  const from = (path: string, text: string) => importsOf(path, text);

  test("sees static, type-only, re-exporting and dynamic imports, and none in comments", () => {
    const text = [
      'import type { A } from "./a.js";',
      'import {\n  b,\n  c,\n} from "../b.js";',
      'import "side-effect";',
      'export { d } from "@scope/pkg/sub";',
      'const e = await import("ioredis/x");',
      'let f: typeof import("./f.js");',
      '// import { no } from "./no.js";',
      '/** import("./no.js") */',
    ].join("\n");
    const seen = from("cache/x.ts", text).map((one) => [one.file ?? one.package, one.typeOnly, one.dynamic]);
    expect(seen).toEqual([
      ["cache/a.ts", true, false],
      ["b.ts", false, false],
      ["@scope/pkg", false, false],
      ["side-effect", false, false],
      ["ioredis", false, true],
      ["cache/f.ts", true, true],
    ]);
    expect(() => from("x.ts", "await import(name)")).toThrow("not written out");
  });

  test.each([
    ["cache/cache.ts", "../backends/redis/index.js"],
    ["cache/cache.ts", "../config/load.js"],
    ["backends/memory/index.ts", "../redis/index.js"],
    ["backends/backend.ts", "./open.js"],
    ["commands/get.ts", "../backends/open.js"],
    ["cli/output.ts", "../transfer/warm.js"],
    ["config/load.ts", "../cache/cache.js"],
    ["errors.ts", "./cache/cache.js"],
  ])("%s may not import %s", (path, specifier) => {
    const [one] = from(path, `import { x } from "${specifier}";`);
    expect(one && mayImport(path, one)).toBe(false);
  });

  test("finds a circle", () => {
    const source = (path: string, to: string) => ({ path, text: "", imports: from(path, `import "./${to}.js";`) });
    const found = circlesIn([source("a.ts", "b"), source("b.ts", "c"), source("c.ts", "b")]);
    expect(found).toEqual([["b.ts", "c.ts", "b.ts"]]);
  });
});
