import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { openSource } from "../../src/transfer/open-source.js";
import type { OpenOptions } from "../../src/transfer/source.js";
import { tempDir } from "../support/temp-dir.js";
import { pieces } from "./reading.js";

const records = Array.from({ length: 20_000 }, (_, i) => `{"key":"k${i}","value":${i}}\n`).join("");

async function bytesOf(location: string, options: OpenOptions = {}, from = 0): Promise<Buffer> {
  const source = await openSource(location, options);
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.read(from)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    await source.close();
  }
}

const codeFor = (location: string, options?: OpenOptions) =>
  bytesOf(location, options).then(
    () => "none",
    (error: { code: string }) => error.code,
  );

describe("files", () => {
  it.each([
    ["a.ndjson", "ndjson", (text: string) => text],
    ["a.jsonl", "ndjson", (text: string) => text],
    ["a.JSON", "json", (text: string) => text],
    ["a.txt", undefined, (text: string) => text],
    ["a.ndjson.gz", "ndjson", zlib.gzipSync],
    ["a.json.br", "json", zlib.brotliCompressSync],
    [
      "a.gz",
      undefined,
      (text: string) => Buffer.concat([zlib.gzipSync(text.slice(0, 1000)), zlib.gzipSync(text.slice(1000))]),
    ],
  ])("reads %s as %s, also from an offset", async (name, format, pack) => {
    const path = join(tempDir(), name);
    const packed = Buffer.from(pack(records));
    writeFileSync(path, packed);
    const source = await openSource(path);
    expect(source).toMatchObject({ name: path, format, totalBytes: packed.length });
    await source.close();
    expect((await bytesOf(path)).toString()).toBe(records);
    expect((await bytesOf(path, {}, 123_456)).toString()).toBe(records.slice(123_456));
  });

  it("tells one content from another", async () => {
    const path = join(tempDir(), "a.ndjson");
    const identity = async () => {
      const source = await openSource(path);
      await source.close();
      return source.identity;
    };
    writeFileSync(path, "1");
    const before = await identity();
    expect(await identity()).toBe(before);
    writeFileSync(path, "2");
    expect(await identity()).not.toBe(before);
  });

  it("says clearly what can't be read", async () => {
    const dir = tempDir();
    expect(await codeFor(join(dir, "missing.json"))).toBe("source-not-found");
    mkdirSync(join(dir, "folder.json"));
    expect(await codeFor(join(dir, "folder.json"))).toBe("source-is-a-directory");
    writeFileSync(join(dir, "file"), "x");
    expect(await codeFor(join(dir, "file", "below.json"))).toBe("source-not-readable");
    const whole = zlib.gzipSync(records);
    for (const [name, bytes] of [
      ["cut.gz", whole.subarray(0, whole.length - 20)],
      ["plain.gz", Buffer.from(records)],
      ["plain.br", Buffer.from(records)],
      ["cut.br", zlib.brotliCompressSync(records).subarray(0, 100)],
    ] as const) {
      writeFileSync(join(dir, name), bytes);
      expect([name, await codeFor(join(dir, name))]).toEqual([name, "invalid-compression"]);
    }
  });

  it("says that a file may not be read, to whom that applies", async () => {
    const path = join(tempDir(), "secret.json");
    writeFileSync(path, "{}");
    chmodSync(path, 0o000);
    const isRoot = execFileSync("id", ["-u"]).toString().trim() === "0";
    // Root may read everything, so there it has to work.
    expect(await codeFor(path)).toBe(isRoot ? "none" : "source-not-readable");
  });

  it("reads zstd where this Node can, and says so where it can't", async () => {
    const path = join(tempDir(), "a.ndjson.zst");
    const compress: unknown = Reflect.get(zlib, "zstdCompressSync");
    if (typeof compress === "function") {
      writeFileSync(path, compress(records));
      expect((await bytesOf(path)).toString()).toBe(records);
    } else {
      writeFileSync(path, "x");
      await expect(bytesOf(path)).rejects.toMatchObject({
        code: "zstd-unavailable",
        hint: expect.stringMatching(/zstd -d/),
      });
    }
  });

  it("reads what cannot be sought, such as a pipe", async () => {
    const path = join(tempDir(), "pipe.ndjson");
    execFileSync("sh", ["-c", 'mkfifo "$0"', path]);
    const writer = spawn("sh", ["-c", `printf '1\\n2\\n' > "$0"`, path]);
    const written = new Promise((resolve) => writer.on("exit", resolve));
    const source = await openSource(path);
    expect(source).toMatchObject({ totalBytes: undefined, identity: undefined });
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.read(2)) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("2\n");
    expect(await written).toBe(0);
    await source.close();
  });
});

describe("standard input", () => {
  it("reads the stream that is given, and refuses where there is none", async () => {
    expect((await bytesOf("-", { stdin: pieces(records, [5, 10_000]) }, 7)).toString()).toBe(records.slice(7));
    expect(await codeFor("-")).toBe("no-standard-input");
  });
});

describe("URLs", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each([
    ["/a.ndjson", "text/plain", "ndjson", undefined],
    ["/a", "application/x-ndjson; charset=utf-8", "ndjson", undefined],
    ["/a", "application/json", "json", undefined],
    ["/a", "text/html", undefined, undefined],
    ["/a.json.gz", "application/gzip", "json", undefined],
    ["/a.json.gz", "application/json", "json", "gzip"],
    ["/a.json", "application/json", "json", "gzip"],
  ])("reads %s of type %s as %s with coding %s", async (path, type, format, coding) => {
    const body = path.endsWith(".gz") || coding !== undefined ? zlib.gzipSync(records) : Buffer.from(records);
    const base = await serve((_, response) => {
      response
        .writeHead(200, { "content-type": type, etag: '"1"', ...(coding && { "content-encoding": coding }) })
        .end(body);
    });
    const source = await openSource(base + path);
    expect(source).toMatchObject({ name: base + path, format, identity: expect.stringContaining('"1"') });
    await source.close();
    expect((await bytesOf(base + path)).toString()).toBe(records);
    expect((await bytesOf(base + path, {}, 99_999)).toString()).toBe(records.slice(99_999));
  });

  it("sends user and password, and shows neither them nor the query", async () => {
    let authorization: string | undefined;
    const base = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(request.url === "/a.json?token=hidden" ? 200 : 500).end("{}");
    });
    const location = `${base.replace("//", "//me:p%40ss@")}/a.json?token=hidden`;
    const source = await openSource(location);
    expect(source.name).toBe(`${base}/a.json`);
    expect(authorization).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
    await source.close();
    await expect(openSource(`${location}2`)).rejects.toThrow(/^(?!.*(hidden|p@ss|p%40ss)).*HTTP 500/);
  });

  it.each([
    [404, "source-not-found", "usage"],
    [403, "source-refused", "authentication"],
    [400, "source-refused", "usage"],
    [503, "source-refused", "connection"],
  ])("says what HTTP %i means", async (status, code, kind) => {
    const base = await serve((_, response) => response.writeHead(status).end());
    await expect(openSource(`${base}/a.json`)).rejects.toMatchObject({ code, kind });
  });

  it("gives up on a server that is away, silent, stalls, or breaks off", async () => {
    await expect(openSource("http://127.0.0.1:1/a.json")).rejects.toMatchObject({
      code: "source-unreachable",
      kind: "connection",
    });
    await expect(openSource("http://[bad/a.json")).rejects.toMatchObject({ code: "invalid-url" });
    const silent = await serve(() => {});
    await expect(openSource(silent, { timeout: 50 })).rejects.toMatchObject({
      code: "source-timeout",
      kind: "timeout",
    });
    const stalls = await serve((_, response) => void response.writeHead(200).write("{"));
    await expect(bytesOf(stalls, { timeout: 50 })).rejects.toMatchObject({ code: "source-timeout" });
    const breaks = await serve((_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy());
    });
    await expect(bytesOf(breaks)).rejects.toMatchObject({ code: "source-unreachable" });
    const controller = new AbortController();
    const aborted = openSource(silent, { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "source-unreachable" });
  });
});
