import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { describe, expect, test } from "vitest";
import { readTls } from "../../src/serve/tls.js";
import { makeCertificates } from "../support/certificates.js";
import { tempDir } from "../support/temp-dir.js";
import { startProxy } from "./proxy-harness.js";

// The clock of the proxy stands still, so that a drain would never end by itself.
describe("a stop", () => {
  test.each(["plain", "TLS"])("is not held up by who is connected and asks nothing: %s", async (kind) => {
    const made = kind === "TLS" ? await makeCertificates(tempDir("tls")) : undefined;
    const tls = made && readTls({ tlsCert: made.cert, tlsKey: made.key });
    const proxy = await startProxy((_request, response) => void response.end("hello"), { options: tls ? { tls } : {} });
    const { port } = new URL(proxy.server.url);
    const socket = tls
      ? connectSecurely({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false })
      : connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, tls ? "secureConnect" : "connect");
    const closed = once(socket, "close");
    const began = performance.now();
    expect(await proxy.server.stop()).toBe(true);
    expect(performance.now() - began).toBeLessThan(3000);
    await closed;
    await proxy.origin.stop();
  });
});
