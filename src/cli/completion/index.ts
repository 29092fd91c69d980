import type { CommandTable } from "../command-host.js";
import { EXIT } from "../exit-codes.js";
import type { Io } from "../io.js";
import { forBash, forFish, forZsh } from "./answer.js";
import { type Answer, candidatesFor, NOTHING } from "./candidates.js";
import { readTyped, type Typed } from "./typed.js";
import { parseBash, parseFish } from "./words.js";

/**
 * What the scripts of {@link SCRIPTS} ask at each press of Tab: `bash LINE PART`, `zsh WORDS…`, `fish WORDS…`, the last word being the one at the cursor. Whatever goes wrong, the answer is that
 * there is nothing to complete: no word on standard error, and 0.
 */
export async function complete([shell, ...rest]: readonly string[], io: Io, table: CommandTable): Promise<number> {
  try {
    io.stdout.write(await answer(shell, rest, io, table));
  } catch {
    // Where there is nothing to complete, nothing is: who wants to know why runs the command.
  }
  return EXIT.done;
}

async function answer(
  shell: string | undefined,
  rest: readonly string[],
  io: Io,
  table: CommandTable,
): Promise<string> {
  const found = async (typed: Typed, unsure: boolean): Promise<Answer> => {
    const given = await candidatesFor(typed, io, table);
    return unsure && !given.names ? NOTHING : given;
  };
  if (shell === "bash") {
    const [line = "", part = ""] = rest;
    const { words, current, redirected } = parseBash(line);
    if (redirected) return "files\n";
    const typed = await readTyped(words.slice(1), current.value, table);
    return forBash(await found(typed, current.unsure), current, line.slice(current.start), part);
  }
  if (shell !== "zsh" && shell !== "fish") return "";
  const words = rest.slice(0, -1);
  const raw = rest.at(-1) ?? "";
  if (shell === "zsh") return forZsh(await found(await readTyped(words, raw, table), false));
  const { value, unsure } = parseFish(raw);
  const typed = await readTyped(words, value, table);
  return forFish(await found(typed, unsure), value);
}
