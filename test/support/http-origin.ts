import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface OriginRequestSeen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

export interface HttpOrigin {
  readonly url: string;
  readonly port: number;
  /** What came, in order. */
  readonly seen: OriginRequestSeen[];
  /** What answers from now on. */
  answer: (request: OriginRequestSeen, response: ServerResponse) => void | Promise<void>;
  stop(): Promise<void>;
}

/**
 * A real HTTP server on a free port, which answers as the test says.
 * @param now what its responses are dated by, epoch milliseconds
 */
export async function startOrigin(answer: HttpOrigin["answer"], now: () => number = Date.now): Promise<HttpOrigin> {
  const seen: OriginRequestSeen[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const pieces: Buffer[] = [];
    response.setHeader("date", new Date(now()).toUTCString());
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const one = { method, url, headers, body: Buffer.concat(pieces) };
      seen.push(one);
      void origin.answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const origin: HttpOrigin = {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    answer,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return origin;
}
