#!/usr/bin/env node
"use strict";
const { readFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { Script } = require("node:vm");

const DIST = "../dist/";

/** The parts of the program that were begun, by their paths from here. */
const begun = new Map();

/**
 * What a part of the program is, with what this version of V8 compiled of it when the package was built: compiling takes longer than all that a short
 * command does. Built by another version, it is compiled anew, or taken from Node's own compile cache where it has one.
 */
function read(path, filename) {
  let cachedData;
  try {
    cachedData = readFileSync(filename.replace(/cjs$/, `${process.arch}-${process.versions.v8}.code`));
  } catch {
    require("node:module").enableCompileCache?.();
    return require(path);
  }
  return new Script(readFileSync(filename, "latin1"), { filename, cachedData }).runInThisContext();
}

/** For the program: what is no part of it is looked up from here, which finds the same as from the folder beside. */
function load(path) {
  if (!path.startsWith(DIST)) return require(path);
  const before = begun.get(path);
  if (before) return before.exports;
  const part = { exports: {} };
  begun.set(path, part);
  const filename = join(__dirname, path);
  read(path, filename)(part.exports, load, part, filename, dirname(filename));
  return part.exports;
}

load("../dist/main.cjs").main();
