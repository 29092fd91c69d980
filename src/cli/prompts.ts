import { Writable } from "node:stream";
import type { ChalkInstance } from "chalk";
import inquirer from "inquirer";
import { CacheError } from "../errors.js";
import type { Selector } from "../selector.js";
import type { Io, Sink } from "./io.js";
import { type PickerQuestion, pickEntries } from "./screen/picker.js";

/** inquirer ends the stream it writes to; stderr still has an error or a summary to tell. */
function throughTo(sink: Sink): Writable {
  const stream = new Writable({
    decodeStrings: false,
    // At once, so that what is told next comes after the prompt. A sink that fails tells its own listeners.
    write: (chunk: string | Uint8Array, _encoding, done) => {
      sink.write(chunk);
      done();
    },
  });
  return Object.assign(stream, { isTTY: sink.isTTY, columns: sink.columns });
}

/** Prompts go to stderr. Ctrl-C in one is an interruption, Ctrl-D a no. */
async function ask<T>(
  io: Io,
  prompt: (context: { input: Io["stdin"]; output: Writable; signal: AbortSignal }) => Promise<T>,
) {
  const stop = new AbortController();
  // At Ctrl-D readline closes, and inquirer would wait for ever.
  const onKey = (_text: string | undefined, key: { ctrl?: boolean; name?: string } | undefined) => {
    if (key?.ctrl === true && key.name === "d") stop.abort();
  };
  io.stdin.on("keypress", onKey);
  try {
    return await prompt({
      input: io.stdin,
      output: throughTo(io.stderr),
      signal: AbortSignal.any([io.signal, stop.signal]),
    });
  } catch (error) {
    const message = "not confirmed, nothing was done";
    const name = error instanceof Error ? error.name : "";
    if (name === "ExitPromptError") throw new CacheError("refused", "interrupted", message);
    if (name === "AbortPromptError" || name === "CancelPromptError")
      throw new CacheError("refused", "not-confirmed", message);
    throw error;
  } finally {
    io.stdin.off("keypress", onKey);
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

/**
 * Entries that somebody searches for and chooses. inquirer's own search prompt gives one answer, and draws what it is given: keys of others need a prompt of our own.
 * @throws CacheError `nothing-chosen`
 */
export async function askEntries(io: Io, style: ChalkInstance, question: PickerQuestion): Promise<Selector> {
  const answers = await ask(io, (context) => {
    const prompt = inquirer.createPromptModule<{ entries: { message: string } }>(context);
    prompt.registerPrompt("entries", (_config, { signal }) => pickEntries(io, style, question, signal));
    return prompt<{ chosen: Selector }>([{ type: "entries", name: "chosen", message: question.message }]);
  });
  return answers.chosen;
}
