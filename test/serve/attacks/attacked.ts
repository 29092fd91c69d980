import { afterAll, afterEach, beforeAll } from "vitest";
import { type ProxySetup, type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { type RawAnswer, RawConnection, type RawOrigin, startRawOrigin } from "../raw.js";

export interface Attacked {
  readonly proxy: ProxyUnderTest;
  readonly origin: RawOrigin;
  /** Heads of requests that the origin got, in this test. */
  readonly asked: readonly string[];
  /** What the origin says to each request; for this test. */
  answer: string | RawAnswer;
  /** A new connection, on which bytes are sent. It ends with the test. */
  send(bytes: string): Promise<RawConnection>;
}

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A proxy for all tests of a file, before an origin that says and sees bytes. After each test it must still answer. */
export function attacked(setup: ProxySetup = {}): Attacked {
  let proxy: ProxyUnderTest;
  let origin: RawOrigin;
  let asked: string[] = [];
  let clients: RawConnection[] = [];
  const under: Attacked = {
    get proxy() {
      return proxy;
    },
    get origin() {
      return origin;
    },
    get asked() {
      return asked;
    },
    answer: OK,
    async send(bytes) {
      const client = await RawConnection.to(proxy.server.url);
      clients.push(client);
      return client.send(bytes);
    },
  };
  beforeAll(async () => {
    origin = await startRawOrigin((head, connection, body) => {
      asked.push(head);
      const { answer } = under;
      if (typeof answer === "string") {
        // One that breaks off is what some tests are about.
        body.then(
          () => connection.send(answer),
          () => connection.end(),
        );
      } else answer(head, connection, body);
    });
    const origins = [{ path: "/", url: origin.url }];
    const { options } = setup;
    proxy = await startProxy((_request, response) => void response.end(), {
      ...setup,
      options: { origins, ...options },
    });
  });
  let alive = 0;
  afterEach(async () => {
    for (const client of clients) client.destroy();
    clients = [];
    under.answer = OK;
    const { status, text } = await proxy.get(`/alive/${alive++}`);
    if (status !== 200 || text !== "ok") throw new Error(`the proxy answers ${status} ${text} after this test`);
    asked = [];
  });
  afterAll(async () => {
    await origin.stop();
    await proxy.stop();
  });
  return under;
}
