import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { tempDir } from "./temp-dir.js";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

const manifest: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** What npm puts into the package; `npm run build` was before the tests. */
export interface Packed {
  tarball: string;
  /** Paths in it. */
  files: readonly string[];
  /** Bytes of the tarball, and of what is in it. */
  size: number;
  unpackedSize: number;
}

export async function packPackage(): Promise<Packed> {
  const folder = tempDir("pack");
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: ROOT,
  });
  const [packed]: { filename: string; files: { path: string }[]; size: number; unpackedSize: number }[] =
    JSON.parse(stdout);
  if (!packed) throw new Error(`npm packed nothing: ${stdout}`);
  const { filename, files, size, unpackedSize } = packed;
  return { tarball: join(folder, filename), files: files.map(({ path }) => path), size, unpackedSize };
}

/**
 * A TypeScript project of somebody else's, with the package installed.
 * @param packages others that it has, linked from this clone; default those that the package depends on
 */
export async function projectWith({ tarball }: Packed, packages = Object.keys(manifest.dependencies)): Promise<string> {
  const folder = tempDir("project");
  const modules = join(folder, "node_modules");
  const installed = join(modules, "cachectl");
  mkdirSync(installed, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"]);
  for (const name of [...packages, "@types/better-sqlite3", "@types/node", "undici-types"]) {
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

/** What the compiler complains of in a project. */
export const compileProject = (folder: string): Promise<string> =>
  run(process.execPath, [TSC, "-p", folder]).then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );

/** Runs Node in a project, with nothing in its environment but what is given. */
export const nodeIn = (folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  run(process.execPath, args, { cwd: folder, env });
