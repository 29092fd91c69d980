import type { Command } from "@oclif/core/command";
import { Config } from "@oclif/core/config";
import type { Io } from "./io.js";

export const BIN = "cache";

/** What the scripts of shells ask for at a press of Tab, in the place of a command; people don't see it. */
export const COMPLETE = "__complete";

/** Every command by its id (`config:show`), loaded when it is wanted. */
export type CommandTable = Readonly<Record<string, () => Promise<{ default: typeof Command }>>>;

/**
 * What oclif's commands, parser and help need to know of the tool. oclif's own `Config.load` looks for plugins, themes, shells and a
 * package file on every start and reads the process's environment; this one is given all it needs.
 */
export class CommandHost extends Config {
  readonly io: Io;
  readonly table: CommandTable;

  constructor(io: Io, version: string, table: CommandTable) {
    super({ root: io.cwd });
    this.io = io;
    this.table = table;
    this.bin = BIN;
    this.name = "cachectl";
    this.version = version;
    this.topicSeparator = " ";
    this.root = io.cwd;
    this.platform = process.platform === "win32" ? "win32" : "linux";
    this.shell = "";
    this.userAgent = `cachectl/${version} ${process.platform}-${process.arch} node-${process.version}`;
    this.pjson = { name: "cachectl", version, oclif: { bin: BIN, topicSeparator: " " } };
  }

  /** There are no hooks. */
  override async runHook(): Promise<{ failures: []; successes: [] }> {
    return { failures: [], successes: [] };
  }
}
