import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { tempDir } from "../../support/temp-dir.js";
import { RawConnection } from "../raw.js";
import { startServing } from "../serving.js";

const MB = 1_000_000;
const PIECE = Buffer.alloc(64 * 1024, "0123456789abcdef");

/** What `/?length=…&cc=…` is answered with: so many bytes, with that `Cache-Control`; and it takes what is sent to `/up`. */
async function startLargeOrigin() {
  let received = 0;
  const server = createServer(async (message, response) => {
    const { pathname, searchParams } = new URL(message.url ?? "", "http://o");
    if (pathname === "/up") {
      for await (const part of message) received += part.length;
      response.end("done");
      return;
    }
    const length = Number(searchParams.get("length") ?? 5);
    response.writeHead(200, { "content-length": length, "cache-control": searchParams.get("cc") ?? "max-age=60" });
    for (let left = length; left > 0; left -= PIECE.length) {
      if (!response.write(PIECE.subarray(0, Math.min(left, PIECE.length)))) await once(response, "drain");
    }
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** @param pauseAt bytes after which the client takes none for a while @returns bytes of the whole response */
async function download(url: string, path: string, pauseAt: number): Promise<number> {
  const client = await RawConnection.to(url);
  client.socket.removeAllListeners("data");
  let size = 0;
  let isPaused = false;
  client.socket.on("data", (part: Buffer) => {
    size += part.length;
    if (isPaused || size < pauseAt) return;
    isPaused = true;
    client.socket.pause();
    setTimeout(() => client.socket.resume(), 300);
  });
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await client.over(60_000);
  client.destroy();
  return size;
}

async function upload(url: string, bytes: number): Promise<number> {
  const client = await RawConnection.to(url);
  client.send(`POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`);
  for (let left = bytes; left > 0; left -= PIECE.length) {
    if (!client.socket.write(PIECE.subarray(0, Math.min(left, PIECE.length)))) await once(client.socket, "drain");
  }
  const { status } = await client.response("POST", 20_000);
  client.destroy();
  return status;
}

/**
 * Bodies pass down while they are kept, down from the store, down without being kept, and up, past clients that stop taking for a while; the server's memory stays
 * within `mostMemory` of what it was.
 */
export async function passLargeBodies(store: string, bytes: number, mostMemory: number): Promise<void> {
  const origin = await startLargeOrigin();
  const place = `${store}:${tempDir("large")}/store`;
  const serving = await startServing(["--origin", origin.url, "--store", place, "--max-object", "150MB"]);
  const peak = () => {
    const status = readFileSync(`/proc/${serving.running.pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
  };
  try {
    await serving.get("/warm");
    await serving.get("/warm?length=3000000&cc=no-store");
    const before = peak();
    for (const path of ["/kept", "/kept", "/not"]) {
      const cacheControl = path === "/not" ? "no-store" : "max-age=60";
      const size = await download(serving.url, `${path}?length=${bytes}&cc=${cacheControl}`, 5 * MB);
      expect(size - bytes).toBeGreaterThan(100);
      expect(size - bytes).toBeLessThan(1000);
    }
    expect([await upload(serving.url, bytes), origin.received()]).toEqual([200, bytes]);
    expect(peak() - before).toBeLessThan(mostMemory);
  } finally {
    serving.running.kill("SIGTERM");
    await serving.running.result;
    origin.stop();
  }
}
