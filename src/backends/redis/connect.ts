import type { Clock } from "../../clock.js";
import type { Connection, ConnectionSettings } from "./connection.js";
import { Server } from "./server.js";

/**
 * Connects to whatever the address names and sees that it answers.
 * @throws CacheError `invalid-url`, or what `mapError` makes of the failure
 */
export function connect(settings: ConnectionSettings, clock: Clock): Promise<Connection> {
  return Server.open(settings, clock);
}
