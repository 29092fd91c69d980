import inquirer from "inquirer";
import { CacheError } from "../errors.js";
import type { Io } from "./io.js";

/** Prompts go to stderr; Ctrl-C and Ctrl-D in one is a no. */
async function ask<T>(
  io: Io,
  prompt: (context: { input: Io["stdin"]; output: Io["stderr"]; signal: AbortSignal }) => Promise<T>,
) {
  try {
    return await prompt({ input: io.stdin, output: io.stderr, signal: io.signal });
  } catch (error) {
    if (error instanceof Error && /^(ExitPrompt|AbortPrompt|CancelPrompt)Error$/.test(error.name)) {
      throw new CacheError("refused", "not-confirmed", "not confirmed, nothing was done");
    }
    throw error;
  }
}

/** y/N; Enter is no. */
export async function askYesNo(io: Io, message: string): Promise<boolean> {
  const answers = await ask(io, (context) =>
    inquirer.createPromptModule(context)<{ yes: boolean }>([{ type: "confirm", name: "yes", message, default: false }]),
  );
  return answers.yes;
}

/** One line of text. */
export async function askText(io: Io, message: string): Promise<string> {
  const answers = await ask(io, (context) =>
    inquirer.createPromptModule(context)<{ text: string }>([{ type: "input", name: "text", message }]),
  );
  return answers.text;
}

/** A line that is not shown. */
export async function askSecret(io: Io, message: string): Promise<string> {
  const answers = await ask(io, (context) =>
    inquirer.createPromptModule(context)<{ text: string }>([{ type: "password", name: "text", message }]),
  );
  return answers.text;
}
