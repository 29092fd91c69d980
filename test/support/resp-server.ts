import { createServer, type Socket } from "node:net";

export interface RespServer {
  url: string;
  /** Names of the commands that came, in capitals. */
  readonly heard: readonly string[];
  /** Cuts every connection. */
  drop(): void;
  stop(): Promise<void>;
}

/**
 * Something on a port of 127.0.0.1 that says what no real server would.
 * @param answer the bytes for one command, its name in capitals first; undefined = says nothing
 * @param greeting said to everyone who connects
 */
export async function respServer(
  answer: (command: readonly string[]) => string | undefined | Promise<string>,
  greeting = "",
): Promise<RespServer> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // The other side may go away in the middle of an answer, which is no concern of a test's.
    socket.on("error", () => socket.destroy());
    socket.write(greeting);
    let rest = "";
    socket.on("data", (chunk) => {
      rest += chunk.toString("latin1");
      for (let taken = takeCommand(rest); taken; taken = takeCommand(rest)) {
        rest = taken.rest;
        heard.push(taken.command[0] ?? "");
        void Promise.resolve(answer(taken.command)).then((bytes = "") => socket.writable && socket.write(bytes));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  const stop = () =>
    new Promise<void>((resolve) => {
      drop();
      server.close(() => resolve());
    });
  return { url: `redis://127.0.0.1:${address.port}`, heard, drop, stop };
}

/** The first whole command of some bytes, as an array of bulk strings. */
function takeCommand(bytes: string): { command: string[]; rest: string } | undefined {
  const head = /^\*(\d+)\r\n/.exec(bytes);
  if (!head) return undefined;
  const command: string[] = [];
  let at = head[0].length;
  for (let left = Number(head[1]); left > 0; left--) {
    const length = /^\$(\d+)\r\n/.exec(bytes.slice(at, at + 20));
    if (!length) return undefined;
    const start = at + length[0].length;
    at = start + Number(length[1]) + 2;
    if (at > bytes.length) return undefined;
    command.push(bytes.slice(start, at - 2));
  }
  return { command: [(command[0] ?? "").toUpperCase(), ...command.slice(1)], rest: bytes.slice(at) };
}
