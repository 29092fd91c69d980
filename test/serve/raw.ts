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
  readonly #waiting: (() => void)[] = [];
  ended = false;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const told = () => {
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    socket.on("data", (piece: Buffer) => {
      this.#pieces.push(piece);
      told();
    });
    // That the other side breaks off is what many a test is about.
    socket.on("error", () => socket.destroy());
    socket.on("end", () => {
      this.ended = true;
      told();
    });
    socket.on("close", () => {
      this.closed = true;
      told();
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

  /** Resolves when something came, or nothing will. */
  more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
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

/** @param body resolves when all of it came; rejects where the connection ends before */
export type RawAnswer = (head: string, connection: RawConnection, body: Promise<string>) => unknown;

/**
 * An origin that says byte by byte what the test wants.
 * @param answer is called with the head of every request; without it the test reads and answers itself
 */
export async function startRawOrigin(answer?: RawAnswer): Promise<RawOrigin> {
  const connections: RawConnection[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new RawConnection(socket);
    connections.push(connection);
    if (answer) serve(connection, answer).catch(() => connection.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    async request(index = 0) {
      const connection = await until(() => connections[index], { what: `connection ${index}` });
      const length = await until(() => headLength(connection), { what: "the head of a request" });
      return connection.take(length);
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
    },
  };
}

/** Undefined where it is not complete. */
function headLength({ text }: RawConnection): number | undefined {
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? undefined : end + 4;
}

async function serve(connection: RawConnection, answer: RawAnswer): Promise<never> {
  for (;;) {
    const head = connection.take(await arrived(connection, headLength));
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const body = /\r\ntransfer-encoding: chunked/i.test(head)
      ? arrived(connection, ({ text }) => {
          const end = /(?:^|\r\n)0\r\n\r\n/.exec(text);
          return end ? end.index + end[0].length : undefined;
        })
      : arrived(connection, ({ size }) => (size >= length ? length : undefined));
    const read = body.then((count) => connection.take(count));
    answer(head, connection, read);
    await read;
  }
}

/** Resolves when what is measured is there. */
async function arrived(
  connection: RawConnection,
  measure: (connection: RawConnection) => number | undefined,
): Promise<number> {
  for (;;) {
    const count = measure(connection);
    if (count !== undefined) return count;
    if (connection.closed || connection.ended) throw new Error("the connection has ended");
    await connection.more();
  }
}
