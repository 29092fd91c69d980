import type { Clock } from "../../clock.js";
import { type Address, type Place, parseAddress, type ServerAddress } from "./address.js";
import { Cluster } from "./cluster.js";
import type { Connection, ConnectionSettings } from "./connection.js";
import { checkConnections, Pool } from "./pool.js";
import { SentinelConnection } from "./sentinel.js";
import { Server } from "./server.js";

/**
 * Connects to whatever the address names and sees that it answers. A single server that turns out to be a node of a cluster leads to the cluster.
 * @throws CacheError `invalid-url`, `invalid-connections`, or what `mapError` makes of the failure
 */
export async function connect(settings: ConnectionSettings, clock: Clock): Promise<Connection> {
  const address = parseAddress(settings);
  const { connections = 1 } = settings;
  checkConnections(connections);
  const first = await connectOnce(address, settings, clock);
  if (connections === 1) return first;
  const others = await Promise.allSettled(
    Array.from({ length: connections - 1 }, () => connectOnce(address, settings, clock)),
  );
  const opened = others.flatMap((other) => (other.status === "fulfilled" ? [other.value] : []));
  const pool = new Pool([first, ...opened]);
  const failed = others.find((other) => other.status === "rejected");
  if (!failed) return pool;
  await pool.close();
  throw failed.reason;
}

async function connectOnce(address: Address, settings: ConnectionSettings, clock: Clock): Promise<Connection> {
  const { topology } = address;
  if (topology === "sentinel") return SentinelConnection.open(address, settings, clock);
  const open = (place: Place) => Server.at(serverAt(address, place), settings, clock);
  if (topology === "cluster") return Cluster.open(address, settings, clock, open);
  const server = await Server.open(serverAt(address, address.places[0]), settings, clock);
  if (!server.isClusterNode) return server;
  await server.close();
  return Cluster.open(address, settings, clock, open);
}

function serverAt({ secure, db, username, password }: Address, place: Place): ServerAddress {
  return {
    ...place,
    secure,
    db,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  };
}
