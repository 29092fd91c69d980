import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Client } from "./client.js";

/** Milliseconds that a client has to read a refusal and to go. */
const LINGER = 1000;

/**
 * The client of a request for another protocol. Node has let go of its connection, to whose errors the listener listens: it ends with the response, unless that is a 101 and the connection is joined to the origin's.
 * @param head what came behind the fields of the request
 * @param startedAt monotonic milliseconds
 */
export function upgradingClient(request: IncomingMessage, head: Uint8Array, startedAt: number): Client {
  const { socket } = request;
  if (head.length > 0) socket.unshift(head);
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => {
    if (response.statusCode === 101) {
      // As Node does where it has not let go: who waits for the end of the response does not wait for that of the connection.
      response.detachSocket(socket);
      response.emit("close");
      return;
    }
    // Closed with something unread, it would be reset, and the response might be lost (RFC 9112 §9.6).
    socket.end();
    socket.resume();
    socket.setTimeout(LINGER, () => socket.destroy());
  });
  return new Client(request, response, startedAt);
}

/** A connection that can be told to call when nothing has passed for a while. */
type Timed = Duplex & { setTimeout?: (ms: number, callback: () => void) => unknown };

/**
 * Joins two connections: what comes from one goes to the other, no faster than that takes it. Where one side has no more to say, the other hears that and may go on; where
 * one breaks off, so does the other.
 * @param idleMs milliseconds without a byte in either direction after which both end
 */
export function joinConnections(client: Timed, origin: Timed, idleMs: number): void {
  for (const [from, to] of [
    [client, origin],
    [origin, client],
  ] as const) {
    from.allowHalfOpen = true;
    from.on("error", () => from.destroy());
    from.once("close", () => {
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
    from.setTimeout?.(idleMs, () => {
      from.destroy();
      to.destroy();
    });
    from.pipe(to);
  }
}
