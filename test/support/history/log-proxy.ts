import { connect, createServer, type Socket } from "node:net";

export interface LogProxy {
  readonly port: number;
  /** Connections on which the log is followed get no answers any more, also new ones; those on which everything else is done go on. */
  cutLog(cut: boolean): void;
  stop(): Promise<void>;
}

/** A TCP proxy in front of a Redis that knows the connections on which the log is followed by the command that does so. */
export async function logProxy(target: number): Promise<LogProxy> {
  let cut = false;
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(target, "127.0.0.1");
    let follows = false;
    // What was lost once would make a later answer that of another question.
    let dead = false;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (piece: Buffer) => {
      follows ||= /\bXREAD\b/i.test(piece.toString("latin1"));
      server.write(piece);
    });
    server.on("data", (piece: Buffer) => {
      if (follows && cut) dead = true;
      if (!dead) client.write(piece);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
  return {
    port: address.port,
    cutLog(next) {
      cut = next;
    },
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        listener.close(() => resolve());
      }),
  };
}
