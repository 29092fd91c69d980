import type { Command } from "@oclif/core/command";
import { CacheError } from "../errors.js";
import { BIN } from "./command-host.js";
import { nearest } from "./nearest.js";

/** oclif puts this around the message of what the parser of a flag's value throws. */
const FRAME = /^Parsing --\S+ \n\t([\s\S]*)\nSee more help with --help$/;

/** What oclif's parser refuses, as one of our errors: one line, a hint, no parser state. Undefined for what is neither. */
export function usageError(thrown: unknown, command: typeof Command): CacheError | undefined {
  if (thrown instanceof CacheError) {
    thrown.message = FRAME.exec(thrown.message)?.[1] ?? thrown.message;
    return thrown;
  }
  if (!(thrown instanceof Error) || !("oclif" in thrown)) return undefined;
  const id = command.id?.replaceAll(":", " ") ?? "";
  const help = `See: ${BIN} ${id} --help`;
  const unknown = "flags" in thrown && Array.isArray(thrown.flags) ? thrown.flags.map(flagName) : undefined;
  if (unknown && thrown.message.startsWith("Nonexistent")) {
    const known = Object.keys({ ...command.baseFlags, ...command.flags }).map((flag) => `--${flag}`);
    const near = nearest(unknown[0] ?? "", known);
    return new CacheError("usage", "unknown-flag", `there is no flag ${unknown.join(", ")}`, {
      hint: near === undefined ? help : `Did you mean ${near}? ${help}`,
    });
  }
  const lines = thrown.message.replace(/\nSee more help with --help$/, "").split("\n");
  return new CacheError("usage", "invalid-arguments", missingArguments(lines) ?? plainly(lines), { hint: help });
}

/** A flag without the value that may be stuck to it, which can be a secret. */
function flagName(flag: unknown): string {
  return String(flag).replace(/=.*$/s, "");
}

/** oclif lists what is missing with its description, a line each, and may add advice after it. */
function missingArguments([first = "", ...rest]: readonly string[]): string | undefined {
  const count = Number(/^Missing (\d+) required arg/.exec(first)?.[1] ?? 0);
  if (count === 0) return undefined;
  const names = rest.slice(0, count).map((line) => (line.trim().split(/\s+/)[0] ?? "").toUpperCase());
  return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} missing`;
}

function plainly(lines: readonly string[]): string {
  const text = lines.map((line) => line.trim()).join(" ");
  const together = /(--\S+?)(?:=\S*)? cannot also be provided when using (--[^\s=]+)/.exec(text);
  if (together) return `${together[2]} and ${together[1]} exclude each other`;
  const choice = /^Expected (--[^\s=]+)=(.*) to be one of: (.*)$/s.exec(text);
  if (choice) return `${choice[1]}: "${choice[2]}" is none of ${choice[3]}`;
  const needs = /^Flag (--\S+) expects a value$/.exec(text);
  if (needs) return `${needs[1]} needs a value`;
  const surplus = /^Unexpected arguments?: (.*)$/s.exec(text);
  return surplus ? `there is no place for the argument ${JSON.stringify(surplus[1])}` : text;
}
