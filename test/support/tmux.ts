import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { BINARY, environmentWith } from "./run-binary.js";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

const run = promisify(execFile);

export interface TmuxOptions {
  /** On top of a clean environment. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default: an empty folder. */
  cwd?: string;
  /** Default 80 × 24. */
  columns?: number;
  rows?: number;
}

/** How a terminal is set: what a program that ends must leave as it found it. */
export interface TerminalState {
  /** What `stty -g` says: raw mode, echo, signals. */
  modes: string;
  alternateScreen: boolean;
  cursor: boolean;
  wrap: boolean;
}

const FLAGS = "#{alternate_on}#{cursor_flag}#{wrap_flag}";

/**
 * A shell in a terminal of its own, in which `cache` is the binary: keys are sent, and the screen is read as a person would see it. Its tmux server has its own socket, and
 * ends with `stop()`.
 */
export class Tmux {
  readonly cwd: string;
  readonly #socket: string;

  private constructor(cwd: string, socket: string) {
    this.cwd = cwd;
    this.#socket = socket;
  }

  static async start({ env, cwd = tempDir("tmux"), columns = 80, rows = 24 }: TmuxOptions = {}): Promise<Tmux> {
    const tmux = new Tmux(cwd, join(tempDir("socket"), "s"));
    const size = ["-x", String(columns), "-y", String(rows)];
    await run(
      "tmux",
      ["-S", tmux.#socket, "-f", "/dev/null", "new-session", "-d", ...size, "bash --norc --noprofile"],
      {
        cwd,
        env: environmentWith({ TERM: "xterm-256color", ...env }),
      },
    );
    const command = `sh -c 'echo $$ >.pid; exec "$@"' sh '${process.execPath}' '${BINARY}' "$@"`;
    await tmux.type(`PS1='$ '; cache() { ${command}; }; clear; echo ready`);
    await tmux.waitFor(/^ready$/m);
    return tmux;
  }

  /** Types text and Enter. */
  async type(line: string): Promise<void> {
    await this.#tmux("send-keys", "-l", line);
    await this.keys("Enter");
  }

  /** Keys by tmux's names: `q`, `C-c`, `Escape`, `Down`, `Space`. */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** What is on the screen, without spaces at the ends of lines. */
  async screen(): Promise<string> {
    return this.#tmux("capture-pane", "-p");
  }

  /** Waits until the screen shows it. @returns the whole screen */
  async waitFor(wanted: string | RegExp, timeoutMs = 10_000): Promise<string> {
    let screen = "";
    try {
      await until(
        async () => {
          screen = await this.screen();
          return typeof wanted === "string" ? screen.includes(wanted) : wanted.test(screen);
        },
        { timeoutMs, everyMs: 20 },
      );
    } catch (error) {
      throw new Error(`no ${wanted} on the screen:\n${screen}`, { cause: error });
    }
    return screen;
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The process of the last `cache` that was started. */
  get pid(): number {
    return Number(readFileSync(join(this.cwd, ".pid"), "utf8"));
  }

  /** How the terminal is set, asked from the shell: it must be at its prompt. */
  async state(): Promise<TerminalState> {
    const file = join(this.cwd, `modes-${performance.now()}`);
    await this.type(`stty -g >${file}.new; mv ${file}.new ${file}`);
    await until(() => existsSync(file), { what: "stty" });
    const [alternate, cursor, wrap] = await this.#tmux("display-message", "-p", FLAGS);
    return {
      modes: readFileSync(file, "utf8").trim(),
      alternateScreen: alternate === "1",
      cursor: cursor === "1",
      wrap: wrap === "1",
    };
  }

  /** What the program made the title of the window. */
  async title(): Promise<string> {
    return (await this.#tmux("display-message", "-p", "#{pane_title}")).trim();
  }

  stop(): void {
    execFileSync("tmux", ["-S", this.#socket, "kill-server"], { stdio: "ignore" });
  }

  async #tmux(...args: string[]): Promise<string> {
    return (await run("tmux", ["-S", this.#socket, ...args])).stdout;
  }
}
