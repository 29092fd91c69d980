// node scripts/pack-standalone.js [FOLDER]: the built program, what it needs of node_modules and the Node.js that runs this, in one tar.gz for this kind of machine. Prints its path.
// The same sources, Node.js and installed packages give the same bytes: the times in it are SOURCE_DATE_EPOCH's, or those of the last commit.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { releaseTime } from "./release-notes.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Of SQLite's driver what runs; the rest is what it was compiled from. */
const OF_DRIVER = /^(?:package\.json|LICENSE|lib\/.*|build\/Release\/better_sqlite3\.node)$/;
/** Packages that only an installation uses. */
const INSTALLERS = new Set(["prebuild-install"]);

const STARTER = `#!/bin/sh
# Starts the program with the Node.js beside it, whatever is installed.
here=$(dirname "$(readlink -f "$0")")
exec "$here/node" "$here/../lib/cachectl/bin/cache.js" "$@"
`;

/** @param {string} folder of a package @returns {{ name: string, version: string, dependencies?: Record<string, string> }} */
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The folder of a package as Node finds it from another one. @param {string} name @param {string} from */
function folderOf(name, from) {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (existsSync(join(folder, "package.json"))) return folder;
    if (at === dirname(at)) throw new Error(`${name} is not installed: npm ci`);
  }
}

/** Folders of all packages that one needs when it runs. @param {string} from @param {Set<string>} found */
function neededBy(from, found = new Set()) {
  for (const name of Object.keys(manifestOf(from).dependencies ?? {})) {
    if (INSTALLERS.has(name)) continue;
    const folder = folderOf(name, from);
    if (found.has(folder)) continue;
    found.add(folder);
    neededBy(folder, found);
  }
  return found;
}

/** @param {string} to where everything is put together */
function fill(to) {
  const program = join(to, "lib/cachectl");
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", to], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed);
  mkdirSync(program, { recursive: true });
  execFileSync("tar", ["-xzf", join(to, filename), "-C", program, "--strip-components", "1"]);
  rmSync(join(to, filename));
  for (const folder of neededBy(ROOT)) {
    const isDriver = folder.endsWith("better-sqlite3");
    cpSync(folder, join(program, relative(ROOT, folder)), {
      recursive: true,
      filter: (path) => {
        const inside = relative(folder, path);
        // What it has installed for itself is in the list where it is needed.
        if (inside === "node_modules") return false;
        return !isDriver || inside === "" || OF_DRIVER.test(inside) || /^(?:lib|build|build\/Release)$/.test(inside);
      },
    });
  }
  mkdirSync(join(to, "share/man/man1"), { recursive: true });
  copyFileSync(join(program, "dist/man/cache.1"), join(to, "share/man/man1/cache.1"));
  mkdirSync(join(to, "bin"));
  copyFileSync(process.execPath, join(to, "bin/node"));
  writeFileSync(join(to, "bin/cache"), STARTER);
  for (const name of ["node", "cache"]) chmodSync(join(to, "bin", name), 0o755);
  const license = resolve(dirname(process.execPath), "../LICENSE");
  if (existsSync(license)) copyFileSync(license, join(to, "LICENSE.node"));
}

/** What GNU's tar can say of owners, times and order; another tar gives the same files in other bytes. */
function tarOptions() {
  const isGnu = execFileSync("tar", ["--version"], { encoding: "utf8" }).includes("GNU");
  if (!isGnu) return [];
  return [
    "--sort=name",
    `--mtime=@${releaseTime()}`,
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u+rw,go+r,go-w",
    "--format=ustar",
  ];
}

const [outdir = "."] = process.argv.slice(2);
if (!existsSync(join(ROOT, "dist/main.cjs"))) throw new Error("there is no dist/: npm run build");
const staging = mkdtempSync(join(tmpdir(), "cachectl-standalone-"));
try {
  const folder = join(staging, "cachectl");
  mkdirSync(folder);
  fill(folder);
  const { version } = manifestOf(ROOT);
  const name = resolve(outdir, `cachectl-${version}-${process.platform}-${process.arch}.tar`);
  execFileSync("tar", [...tarOptions(), "-cf", name, "-C", staging, "cachectl"]);
  execFileSync("gzip", ["-nf", name]);
  process.stdout.write(`${name}.gz\n`);
} finally {
  rmSync(staging, { recursive: true, force: true });
}
