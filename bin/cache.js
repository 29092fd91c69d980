#!/usr/bin/env node
"use strict";
const { readFileSync } = require("node:fs");
const Module = require("node:module");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

const filename = join(__dirname, "../dist/main.cjs");

/**
 * The program, with what this version of V8 compiled of it when the package was built: compiling takes longer than all that a short
 * command does. Built by another version, it is compiled anew, or taken from Node's own compile cache where it has one.
 */
function load() {
  let cachedData;
  try {
    cachedData = readFileSync(join(dirname(filename), `main.${process.arch}-${process.versions.v8}.code`));
  } catch {
    Module.enableCompileCache?.();
    return require(filename);
  }
  const script = new Script(Module.wrap(readFileSync(filename, "latin1")), { filename, cachedData });
  const loaded = { exports: {} };
  script.runInThisContext()(loaded.exports, Module.createRequire(filename), loaded, filename, dirname(filename));
  return loaded.exports;
}

load().main();
