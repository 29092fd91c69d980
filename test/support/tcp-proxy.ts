import { connect, createServer, type Socket } from "node:net";

/**
 * What goes wrong on the way:
 * - `none`: nothing
 * - `latency`: each piece comes `ms` later, in either direction
 * - `cut`: connections are reset, also new ones
 * - `stall`: nothing is passed on, until it is switched to something else; then all of it is
 * - `half-open`: whatever is sent is taken and lost, without a word; connections that lost something lose everything from then on
 * - `cut-reply`: the server's next answer on each connection is passed on for `bytes` bytes, then the connection is reset; with `once` only the first of all
 * - `drip`: one byte each `ms`, from the server
 */
export type ProxyFault =
  | { kind: "none" | "cut" | "stall" | "half-open" }
  | { kind: "latency" | "drip"; ms: number }
  | { kind: "cut-reply"; bytes: number; once?: true };

export interface TcpProxy {
  readonly port: number;
  /** Connections that were made so far. */
  readonly connections: number;
  /** From now on, for connections that are there too. */
  set(fault: ProxyFault): void;
  stop(): Promise<void>;
}

interface Pair {
  client: Socket;
  server: Socket;
  /** Something was lost: nothing more may come through, or an answer would be taken for another's. */
  dead: boolean;
}

/** A TCP proxy on a free port of 127.0.0.1 in front of a server on another one. */
export async function tcpProxy(target: number): Promise<TcpProxy> {
  let fault: ProxyFault = { kind: "none" };
  let changed = () => {};
  let change = new Promise<void>((resolve) => {
    changed = resolve;
  });
  let connections = 0;
  let stopped = false;
  const pairs = new Set<Pair>();

  /** Passes on what comes, a piece after the other. */
  const pump = (pair: Pair, from: Socket, to: Socket, reply: boolean) => {
    let last = Promise.resolve();
    from.on("data", (piece) => {
      last = last.then(() => pass(pair, piece, to, reply));
    });
    from.on("end", () => {
      last = last.then(() => void (pair.dead || to.end()));
    });
  };

  const pass = async (pair: Pair, piece: Buffer, to: Socket, reply: boolean): Promise<void> => {
    while (fault.kind === "stall" && !stopped) await change;
    if (fault.kind === "half-open") pair.dead = true;
    if (pair.dead || to.destroyed) return;
    const now = fault;
    if (now.kind === "latency") {
      await pause(now.ms);
      if (fault.kind === "half-open") pair.dead = true;
    } else if (now.kind === "cut-reply" && reply) {
      if (now.once) fault = { kind: "none" };
      // Written and then reset at once, the bytes would never arrive.
      to.write(piece.subarray(0, now.bytes));
      await pause(5);
      reset(pair);
    } else if (now.kind === "drip" && reply) {
      for (let i = 0; i < piece.length; i++) {
        if (to.destroyed) return;
        if (fault !== now) return void to.write(piece.subarray(i));
        to.write(piece.subarray(i, i + 1));
        await pause(now.ms);
      }
      return;
    }
    if (!pair.dead && to.writable) to.write(piece);
  };

  const reset = (pair: Pair) => {
    pair.dead = true;
    pair.client.resetAndDestroy();
    pair.server.destroy();
  };

  const listener = createServer((client) => {
    connections += 1;
    if (fault.kind === "cut") {
      client.on("error", () => client.destroy());
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = { client, server: connect(target, "127.0.0.1"), dead: false };
    pairs.add(pair);
    for (const [socket, other] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      // That one side goes away is what this proxy is for.
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        pairs.delete(pair);
        if (!pair.dead) other.destroy();
      });
    }
    pump(pair, pair.client, pair.server, false);
    pump(pair, pair.server, pair.client, true);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");

  return {
    port: address.port,
    get connections() {
      return connections;
    },
    set(next) {
      fault = next;
      if (next.kind === "cut") for (const pair of pairs) reset(pair);
      const told = changed;
      change = new Promise((resolve) => {
        changed = resolve;
      });
      told();
    },
    stop: () =>
      new Promise((resolve) => {
        stopped = true;
        changed();
        for (const { client, server } of pairs) {
          client.destroy();
          server.destroy();
        }
        listener.close(() => resolve());
      }),
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
