import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEYS, runInPty } from "./pty.js";
import { BINARY } from "./run-binary.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type ShellName = (typeof SHELLS)[number];

/** Says what it was given instead of running: the words, ended by NUL, in a file that is there as soon as it is whole. */
const RECORD: Record<ShellName, string> = {
  bash: 'cache() { printf "%s\\0" "$@" >"$OUT.part"; mv "$OUT.part" "$OUT"; }',
  zsh: 'cache() { printf "%s\\0" "$@" >"$OUT.part"; mv "$OUT.part" "$OUT"; }',
  fish: 'function cache; printf "%s\\0" $argv >"$OUT.part"; mv "$OUT.part" "$OUT"; end',
};

const STARTUP: Record<ShellName, { file: string; args: (file: string) => string[]; text: string }> = {
  bash: {
    file: "rc.bash",
    args: (file) => ["--noprofile", "--rcfile", file, "-i"],
    text: `unset HISTFILE; PS1='READY> '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
eval "$(command cache completion bash)"`,
  },
  zsh: {
    file: ".zshrc",
    args: () => ["-i"],
    text: `PS1='READY> '; unsetopt beep; autoload -Uz compinit && compinit -u -D
eval "$(command cache completion zsh)"`,
  },
  fish: {
    file: "config.fish",
    args: (file) => ["--no-config", "-i", "-C", `source ${file}`],
    text: `function fish_greeting; end; function fish_prompt; printf 'READY> '; end
command cache completion fish | source`,
  },
};

export interface InteractiveShell {
  /** What the terminal shows. */
  text(): string;
  /** The same with control sequences. */
  raw(): string;
  /** Types, presses Tab, then what follows, then Enter. @returns the words that `cache` was then given */
  completed(typed: string, after?: string): Promise<string[]>;
  /** Types and presses Tab, and waits until all of these are shown. The last that is asked of a shell. */
  offered(typed: string, words: readonly string[]): Promise<void>;
  end(): Promise<void>;
}

/** A folder with a `cache` in it that is the binary, for a PATH. */
export function binaryFolder(): string {
  const folder = tempDir("path");
  writeFileSync(join(folder, "cache"), `#!/bin/sh\nexec '${process.execPath}' '${BINARY}' "$@"\n`);
  chmodSync(join(folder, "cache"), 0o700);
  return folder;
}

/** A shell as a person has it, with completion of `cache`, which records what it is given. @param cwd also its home */
export async function startInteractive(
  name: ShellName,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<InteractiveShell> {
  const folder = tempDir("shell");
  const out = join(folder, "out");
  const { file, args, text } = STARTUP[name];
  writeFileSync(join(folder, file), `${text}\n${RECORD[name]}\n`);
  const pty = runInPty(name, args(join(folder, file)), {
    cwd,
    columns: 200,
    rows: 50,
    env: {
      HOME: cwd,
      ZDOTDIR: folder,
      XDG_DATA_HOME: folder,
      PATH: `${binaryFolder()}:${process.env.PATH}`,
      OUT: out,
      ...env,
    },
  });
  await pty.waitFor("READY> ", 20_000);
  return {
    text: () => pty.text(),
    raw: () => pty.raw(),
    async completed(typed, after = "") {
      pty.send(`${typed}${KEYS.tab}${after}${KEYS.enter}`);
      await until(() => existsSync(out), { timeoutMs: 20_000, what: `the end of ${typed}` }).catch((error: unknown) => {
        throw new Error(`${name}: nothing came of ${typed}; it shows:\n${pty.text().slice(-2000)}`, { cause: error });
      });
      const taken = `${out}.taken`;
      renameSync(out, taken);
      const words = readFileSync(taken, "utf8").split("\0").slice(0, -1);
      rmSync(taken);
      return words;
    },
    async offered(typed, words) {
      const before = pty.text().length;
      const shown = () => pty.text().slice(before);
      pty.send(`${typed}${KEYS.tab}`);
      // bash shows what there is at the second press, the others at the first.
      if (name === "bash") pty.send(KEYS.tab);
      await until(() => words.every((word) => shown().includes(word)), { timeoutMs: 10_000 }).catch(
        (error: unknown) => {
          throw new Error(`${name} offers something else:\n${shown()}`, { cause: error });
        },
      );
    },
    async end() {
      pty.kill("SIGKILL");
      await pty.exit;
    },
  };
}
