import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface Import {
  /** `import type`, `export type`: gone at run time. */
  typeOnly: boolean;
  /** `import("…")`: loaded when it is reached. */
  dynamic: boolean;
  /** A file of the tree, such as `cache/cache.ts`; undefined for a package. */
  file: string | undefined;
  /** A package (`ioredis`, `@oclif/core`) or a module of Node (`node:fs`); undefined for a file. */
  package: string | undefined;
}

export interface Source {
  /** From the root of the tree, with `/`. */
  path: string;
  text: string;
  imports: readonly Import[];
}

/**
 * Every TypeScript file under a folder with what it imports. It goes by the text: the formatter begins each
 * import and export statement at the start of a line.
 */
export function readSources(root: string): Source[] {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => /\.tsx?$/.test(path))
    .sort();
  const known = new Set(paths);
  return paths.map((path) => {
    const text = readFileSync(join(root, path), "utf8");
    // Both `a.ts` and `a.tsx` are imported as `a.js`.
    const imports = importsOf(path, text).map((one) =>
      one.file !== undefined && !known.has(one.file) && known.has(`${one.file}x`)
        ? { ...one, file: `${one.file}x` }
        : one,
    );
    return { path, text, imports };
  });
}

/** @throws Error for an import whose name is not written out: nobody could tell what it loads */
export function importsOf(path: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  const add = (specifier: string | undefined, typeOnly: boolean, dynamic: boolean) => {
    if (specifier !== undefined) found.push({ typeOnly, dynamic, ...targetOf(path, specifier) });
  };
  for (const match of code.matchAll(/^(?:import|export)\s+(type\s+)?[^;"'()=]*?\bfrom\s+"([^"]+)"/gm)) {
    add(match[2], match[1] !== undefined, false);
  }
  for (const match of code.matchAll(/^import\s+"([^"]+)"/gm)) add(match[1], false, false);
  for (const match of code.matchAll(/(typeof\s+)?\bimport\(\s*(?:"([^"]+)")?/g)) {
    if (match[2] === undefined) throw new Error(`${path} imports something whose name is not written out`);
    add(match[2], match[1] !== undefined, true);
  }
  return found;
}

function targetOf(path: string, specifier: string): Pick<Import, "file" | "package"> {
  if (specifier.startsWith(".")) {
    const file = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
    return { file, package: undefined };
  }
  const parts = specifier.split("/");
  return { file: undefined, package: specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0] };
}

/** The circles in the graph of files, each once, as the paths on the way round. */
export function circlesIn(sources: readonly Source[]): string[][] {
  const targets = new Map(sources.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]));
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    const start = way.indexOf(path);
    if (start >= 0) circles.push([...way.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return circles;
}

/** Packages loaded as soon as a file is: through static imports that exist at run time. */
export function loadedAtOnce(sources: readonly Source[], start: string): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { typeOnly, dynamic, file, package: name } of byPath.get(path)?.imports ?? []) {
      if (typeOnly || dynamic) continue;
      if (name !== undefined) packages.add(name);
      if (file !== undefined) visit(file);
    }
  };
  visit(start);
  return packages;
}
