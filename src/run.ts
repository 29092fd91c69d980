import { splitLeading } from "./cli/argv.js";
import type { CacheCommand } from "./cli/base-command.js";
import { BIN, COMPLETE, CommandHost } from "./cli/command-host.js";
import { EXIT } from "./cli/exit-codes.js";
import type { Io } from "./cli/io.js";
import { nearest } from "./cli/nearest.js";
import { VERSION } from "./version.js";

type CommandClass = (new (argv: string[], config: CommandHost) => CacheCommand) & typeof CacheCommand;

/** Every command, loaded when it is run: one line for each file in `commands/`. */
const COMMANDS: Readonly<Record<string, () => Promise<{ default: CommandClass }>>> = {
  get: () => import("./commands/get.js"),
  exists: () => import("./commands/exists.js"),
  set: () => import("./commands/set.js"),
  touch: () => import("./commands/touch.js"),
  invalidate: () => import("./commands/invalidate.js"),
  warm: () => import("./commands/warm.js"),
  keys: () => import("./commands/keys.js"),
  export: () => import("./commands/export.js"),
  stats: () => import("./commands/stats.js"),
  info: () => import("./commands/info.js"),
  bench: () => import("./commands/bench.js"),
  serve: () => import("./commands/serve.js"),
  "serve:token": () => import("./commands/serve/token.js"),
  purge: () => import("./commands/purge.js"),
  completion: () => import("./commands/completion.js"),
  man: () => import("./commands/man.js"),
  "config:init": () => import("./commands/config/init.js"),
  "config:show": () => import("./commands/config/show.js"),
  "config:validate": () => import("./commands/config/validate.js"),
};

/**
 * Runs a command line in this process and gives its exit code. Nothing of the process is touched but what `io` holds.
 * @param argv what follows the name of the program
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const host = new CommandHost(io, VERSION, COMMANDS);
  const [first = ""] = argv;
  if (first === "--version" || first === "-v" || first === "version") {
    io.stdout.write(`${host.userAgent}\n`);
    return EXIT.done;
  }
  if (first === COMPLETE) {
    const { complete } = await import("./cli/completion/index.js");
    return complete(argv.slice(1), io, COMMANDS);
  }
  const { leading, words } = splitLeading(first === "help" ? argv.slice(1) : argv);
  const nested = `${words[0]}:${words[1]}`;
  const id = Object.hasOwn(COMMANDS, nested) ? nested : (words[0] ?? "");
  const rest = [...leading, ...words.slice(id === nested ? 2 : 1)];
  const load = Object.hasOwn(COMMANDS, id) ? COMMANDS[id] : undefined;
  if (!load) return withoutCommand(words, io, host, first === "help");
  const { default: CommandToRun } = await load();
  CommandToRun.id = id;
  const end = rest.indexOf("--");
  const flags = end < 0 ? rest : rest.slice(0, end);
  if (first === "help" || flags.includes("--help") || flags.includes("-h")) return showHelp(CommandToRun, id, io, host);
  return new CommandToRun(rest, host).start();
}

async function showHelp(command: CommandClass, id: string, io: Io, host: CommandHost): Promise<number> {
  const { commandHelp } = await import("./cli/help.js");
  const { styleFor } = await import("./cli/style.js");
  const colour = styleFor(io.stdout, io.env, false).level > 0;
  io.stdout.write(commandHelp(command, id, host, colour));
  return EXIT.done;
}

/** The overview, a topic's commands, or what was probably meant. */
async function withoutCommand(words: readonly string[], io: Io, host: CommandHost, asked: boolean): Promise<number> {
  const [word = ""] = words;
  const topic = Object.keys(COMMANDS).filter((id) => id.startsWith(`${word}:`));
  const [, second = ""] = words;
  const said = topic.length > 0 && !second.startsWith("-") && second !== "" ? `${word} ${second}` : word;
  const known = said === word && (word === "" || word === "--help" || word === "-h" || topic.length > 0);
  const mode = words.includes("--json") ? "json" : words.includes("--ndjson") ? "ndjson" : "text";
  const { Output } = await import("./cli/output.js");
  const { styleFor } = await import("./cli/style.js");
  const { escapeLine } = await import("./cli/render/value.js");
  const [style, errStyle] = [styleFor(io.stdout, io.env, false), styleFor(io.stderr, io.env, false)];
  const out = new Output(io, { mode, quiet: false, style, errStyle, schema: host.name, onClosed: () => undefined });
  try {
    if (known) {
      const { rootHelp } = await import("./cli/help.js");
      const ids = topic.length > 0 ? topic : Object.keys(COMMANDS);
      const lines = await Promise.all(
        ids.map(async (id) => ({ id, summary: (await COMMANDS[id]?.())?.default.summary ?? "" })),
      );
      await out.write(rootHelp(lines, out));
      const help = asked || words.includes("--help") || words.includes("-h");
      return help ? EXIT.done : EXIT.usage;
    }
    const near = nearest(said.replace(" ", ":"), Object.keys(COMMANDS));
    const message = word.startsWith("-")
      ? `flags follow the command: ${BIN} COMMAND ${word.replace(/=.*$/s, "")}`
      : `there is no command "${said}"`;
    const hint = near === undefined ? `See: ${BIN} --help` : `Did you mean ${BIN} ${near.replaceAll(":", " ")}?`;
    if (mode === "text") io.stderr.write(`${errStyle.red("error:")} ${escapeLine(message)}\n  ${errStyle.dim(hint)}\n`);
    else await out.error({ code: "unknown-command", message, hint });
    return EXIT.usage;
  } finally {
    out.dispose();
  }
}
