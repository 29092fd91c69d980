import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { until } from "../support/until.js";

export interface RawResponse {
  status: number;
  /** Names in lower case; lines of one name joined by `, `. */
  fields: Record<string, string>;
  body: string;
  /** Of a chunked body. */
  trailers: Record<string, string>;
}

/** A connection on which a test writes what it likes, and reads what came, byte by byte. */
export class RawConnection {
  readonly socket: Socket;
  #pieces: Buffer[] = [];
  ended = false;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (piece: Buffer) => this.#pieces.push(piece));
    // That the other side breaks off is what many a test is about.
    socket.on("error", () => socket.destroy());
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("close", () => {
      this.closed = true;
    });
  }

  static async to(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  /** @param bytes one character each */
  send(bytes: string): this {
    this.socket.write(Buffer.from(bytes, "latin1"));
    return this;
  }

  /** All that came and was not taken yet, one character each. */
  get text(): string {
    return this.#bytes.toString("latin1");
  }

  get size(): number {
    return this.#pieces.reduce((size, { length }) => size + length, 0);
  }

  get #bytes(): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    const joined = all ?? Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  take(count: number): string {
    const bytes = this.#bytes;
    this.#pieces = [bytes.subarray(count)];
    return bytes.toString("latin1", 0, count);
  }

  /** Resolves when so much came, and takes it. */
  async bytes(count: number): Promise<string> {
    await until(() => this.size >= count, { what: `${count} bytes` });
    return this.take(count);
  }

  /** Resolves with the next response, interim ones too, and takes it. @param method of its request */
  async response(method = "GET", timeoutMs = 5000): Promise<RawResponse> {
    const { response, length } = await until(() => parse(this.text, method, this.ended || this.closed), {
      timeoutMs,
      what: `a response, of which came ${JSON.stringify(this.text.slice(0, 300))}`,
    });
    this.take(length);
    return response;
  }

  /** Resolves when the other side has ended the connection, or broken it off. */
  async over(timeoutMs = 5000): Promise<void> {
    await until(() => this.ended || this.closed, { timeoutMs, what: "the end of the connection" });
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Undefined where it is not complete. */
function parse(text: string, method: string, isOver: boolean): { response: RawResponse; length: number } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? Number.NaN);
  const fields = fieldsOf(lines);
  const from = end + 4;
  const whole = (body: string, length: number, trailers = {}) => ({
    response: { status, fields, body, trailers },
    length,
  });
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return whole("", from);
  if (fields["transfer-encoding"] === "chunked") return chunked(text, from, whole);
  const { "content-length": length } = fields;
  if (length === undefined) return isOver ? whole(text.slice(from), text.length) : undefined;
  const to = from + Number(length);
  return text.length < to ? undefined : whole(text.slice(from, to), to);
}

function chunked<T>(
  text: string,
  from: number,
  whole: (body: string, length: number, trailers: Record<string, string>) => T,
): T | undefined {
  let body = "";
  for (let at = from; ; ) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(text.slice(at, line), 16);
    at = line + 2;
    if (size === 0) {
      if (text.startsWith("\r\n", at)) return whole(body, at + 2, {});
      const end = text.indexOf("\r\n\r\n", at);
      return end < 0 ? undefined : whole(body, end + 4, fieldsOf(text.slice(at, end).split("\r\n")));
    }
    if (text.length < at + size + 2) return undefined;
    body += text.slice(at, at + size);
    at += size + 2;
  }
}

function fieldsOf(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

export interface RawOrigin {
  readonly url: string;
  /** In the order in which they were made. */
  readonly connections: readonly RawConnection[];
  /** Resolves with the head of the next request of a connection, and takes it. */
  request(connection?: number): Promise<string>;
  stop(): Promise<void>;
}

/**
 * An origin that says byte by byte what the test wants.
 * @param answer is sent for every head of a request; without one the test answers itself
 */
export async function startRawOrigin(answer?: (head: string, connection: RawConnection) => void): Promise<RawOrigin> {
  const connections: RawConnection[] = [];
  const head = async (connection: RawConnection) => {
    const end = await until(() => connection.text.indexOf("\r\n\r\n") + 1, { what: "the head of a request" });
    return connection.bytes(end + 3);
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new RawConnection(socket);
    connections.push(connection);
    if (!answer) return;
    socket.on("data", () => {
      while (connection.text.includes("\r\n\r\n")) {
        const length = connection.text.indexOf("\r\n\r\n") + 4;
        answer(connection.take(length), connection);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    request: async (index = 0) => head(await until(() => connections[index], { what: `connection ${index}` })),
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
    },
  };
}
