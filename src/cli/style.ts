import { Chalk, type ChalkInstance } from "chalk";
import type { Io, Sink } from "./io.js";

/**
 * Colours for one stream: on a terminal, unless `--no-color`, `NO_COLOR` (no-color.org) or `TERM=dumb` say no; elsewhere only when
 * `FORCE_COLOR` says so.
 */
export function styleFor(stream: Sink, env: Io["env"], noColor: boolean): ChalkInstance {
  return new Chalk({ level: colourLevel(stream, env, noColor) });
}

function colourLevel(stream: Sink, env: Io["env"], noColor: boolean): 0 | 1 {
  if (noColor || env.NO_COLOR) return 0;
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) return forced === "0" || forced === "false" ? 0 : 1;
  return stream.isTTY === true && env.TERM !== "dumb" ? 1 : 0;
}
