import { createServer } from "node:http";

/** Bytes of the bodies under /large/. */
const LARGE = 600_000;

/** What is sent of a path, so that an answer to another one is known. @param {string} path */
export function bodyOf(path) {
  const bytes = path.startsWith("/large/") ? LARGE : 1024;
  return Buffer.alloc(bytes, `${path} `);
}

/** @type {Record<string, Record<string, string>>} fields by the first segment of the path */
const FIELDS = {
  small: { "Cache-Control": "max-age=5, stale-while-revalidate=5" },
  // By its tag the proxy knows that the origin has the rest of what its store lost on the way.
  large: { "Cache-Control": "max-age=10", ETag: '"large"' },
  vary: { "Cache-Control": "max-age=10", Vary: "Accept-Language" },
  tagged: { "Cache-Control": "max-age=60" },
  etag: { "Cache-Control": "max-age=1", ETag: '"1"' },
  private: { "Cache-Control": "no-store" },
  slow: { "Cache-Control": "max-age=2" },
  cut: { "Cache-Control": "max-age=60" },
};

/** An origin with good and bad days, on a port of its own that stays the same. */
export class Origin {
  /** Requests that it got. */
  asked = 0;
  /** When it last was away, as a moment of `performance.now()`: until then, where it is back. */
  awayUntil = 0;
  #server = createServer((request, response) => this.#answer(request, response));
  port = 0;

  async start() {
    await new Promise((resolve) => this.#server.listen(this.port, "127.0.0.1", () => resolve(undefined)));
    this.port = /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
    this.awayUntil = performance.now();
  }

  /** Cuts what it was sending, too. */
  async stop() {
    this.awayUntil = Number.POSITIVE_INFINITY;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  #answer(request, response) {
    this.asked += 1;
    const { url: path = "/", method, headers } = request;
    request.resume();
    if (method === "POST") return void response.writeHead(204).end();
    const [, kind = "", name = ""] = path.split("/");
    const fields = FIELDS[kind] ?? {};
    if (fields.ETag !== undefined && headers["if-none-match"] === fields.ETag) {
      return void response.writeHead(304, fields).end();
    }
    const body = bodyOf(path);
    const tags = kind === "tagged" ? { "Surrogate-Key": `t${Number(name) % 10}` } : {};
    const send = () => {
      response.writeHead(200, { ...fields, ...tags, "Content-Length": body.length });
      if (kind !== "cut") return void response.end(body);
      response.write(body.subarray(0, 500), () => response.destroy());
    };
    if (kind === "slow") setTimeout(send, 200 + (Number(name) % 10) * 100);
    else send();
  }
}
