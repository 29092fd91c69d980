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
  const unknown = "flags" in thrown && Array.isArray(thrown.flags) ? thrown.flags.map(String) : undefined;
  if (unknown && thrown.message.startsWith("Nonexistent")) {
    const known = Object.keys({ ...command.baseFlags, ...command.flags }).map((flag) => `--${flag}`);
    const near = nearest(unknown[0] ?? "", known);
    return new CacheError("usage", "unknown-flag", `there is no flag ${unknown.join(", ")}`, {
      hint: near === undefined ? help : `Did you mean ${near}? ${help}`,
    });
  }
  const lines = thrown.message.replace(/\nSee more help with --help$/, "").split("\n");
  const required = /^Missing \d+ required arg/.test(lines[0] ?? "");
  const names = required ? lines.slice(1).map((line) => (line.trim().split(/\s+/)[0] ?? "").toUpperCase()) : [];
  const message = required
    ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} missing`
    : lines.map((line) => line.trim()).join(" ");
  return new CacheError("usage", "invalid-arguments", message, { hint: help });
}
