import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { releasePiece } from "../../src/serve/piece-release.js";
import { readTls } from "../../src/serve/tls.js";
import { type Certificates, makeCertificates } from "../support/certificates.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

describe("a piece that nobody will look at again", () => {
  test("has no memory any more", () => {
    const piece = new Uint8Array(65_536);
    const { buffer } = piece;
    releasePiece(piece);
    expect([piece.length, buffer.byteLength]).toEqual([0, 0]);
  });

  test("keeps what it shares with others, and what is little", () => {
    const whole = new Uint8Array(200_000).fill(1);
    const part = whole.subarray(0, 100_000);
    const small = Buffer.from("small");
    const shared = new Uint8Array(new SharedArrayBuffer(65_536));
    for (const piece of [part, small, shared]) releasePiece(piece);
    expect([whole.length, part.length, small.length, shared.length]).toEqual([200_000, 100_000, 5, 65_536]);
    expect(whole.every((byte) => byte === 1)).toBe(true);
  });
});

describe.each(["http", "https"] as const)("a large hit over %s", (scheme) => {
  const BODY = randomBytes(5_000_011);
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  let made: Certificates;
  let proxy: ProxyUnderTest;
  beforeAll(async () => {
    made = await makeCertificates(tempDir("release"));
  });
  afterEach(() => proxy.stop());

  async function ask(): Promise<Socket> {
    const { hostname: host, port } = new URL(proxy.server.url);
    const at = { host, port: Number(port) };
    const socket = scheme === "https" ? connectTls({ ...at, ca: readFileSync(made.ca) }) : connect(at);
    socket.on("error", () => socket.destroy());
    await once(socket, scheme === "https" ? "secureConnect" : "connect");
    socket.write("GET /large HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    return socket;
  }

  /** All that comes, taken a little at a time. */
  async function slowly(socket: Socket): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of socket) {
      pieces.push(piece as Buffer);
      if (pieces.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const all = Buffer.concat(pieces);
    return all.subarray(all.indexOf("\r\n\r\n") + 4);
  }

  test.each(["sqlite", "file"])("from %s is whole for who reads slowly, while others break off", async (kind) => {
    const tls = scheme === "https" ? readTls({ tlsCert: made.cert, tlsKey: made.key }) : undefined;
    proxy = await startProxy(
      (_request, response) => {
        response.writeHead(200, { "cache-control": "max-age=60", "content-length": BODY.length }).end(BODY);
      },
      { store: `${kind}:${join(tempDir("release"), "c")}`, ...(tls && { options: { tls } }) },
    );
    expect(hash(await slowly(await ask()))).toBe(hash(BODY));
    const gone = Array.from({ length: 20 }, async (_, i) => {
      const socket = await ask();
      let size = 0;
      socket.on("data", (piece) => {
        size += piece.length;
        if (size > i * 200_000) socket.destroy();
      });
      await until(() => socket.destroyed, { what: "the end of a connection" });
    });
    const whole = Array.from({ length: 6 }, async () => hash(await slowly(await ask())));
    expect(await Promise.all(whole)).toEqual(whole.map(() => hash(BODY)));
    await Promise.all(gone);
    expect(hash(await slowly(await ask()))).toBe(hash(BODY));
    expect(proxy.origin.seen).toHaveLength(1);
  });
});
