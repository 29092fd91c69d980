/** Every command, as a user types it: written down here, so that one that is lost is missed. */
export const COMMAND_NAMES = [
  "get",
  "exists",
  "set",
  "touch",
  "invalidate",
  "warm",
  "keys",
  "export",
  "stats",
  "info",
  "bench",
  "serve token",
  "config init",
  "config show",
  "config validate",
];
