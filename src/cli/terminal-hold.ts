import type { TerminalHold, TerminalHolder } from "./io.js";

/**
 * Listens to what may end or stop this process: `exit`, which Node tells also of an uncaught error before it prints that, SIGTSTP and SIGCONT. Signals that end it are
 * main's: it aborts the command, or exits.
 */
export function holdTerminal({ release, resume }: TerminalHolder): TerminalHold {
  const stop = () => {
    release();
    // It was this signal's own effect before it was listened to.
    process.kill(process.pid, "SIGSTOP");
  };
  process.on("exit", release);
  if (process.platform !== "win32") {
    process.on("SIGTSTP", stop);
    process.on("SIGCONT", resume);
  }
  return {
    // The group: a shell takes the terminal back when all of a pipeline is stopped, and npx waits for us.
    suspend: () => {
      if (process.platform !== "win32") process.kill(0, "SIGTSTP");
    },
    end: () => {
      process.off("exit", release);
      process.off("SIGTSTP", stop);
      process.off("SIGCONT", resume);
    },
  };
}
