import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRemote } from "../../src/backends/remote/index.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { drain } from "../contract/full.js";
import { makeCertificates } from "../support/certificates.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const servers: Server[] = [];
const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

const ABOUT = {
  name: "memory",
  capabilities: { persistent: false, counts: true },
  readsForeign: false,
};

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

/** A server that knows what it is, and answers all else as the test says. */
async function answering(answer: RequestListener, timeoutMs = 5000): Promise<Backend> {
  const port = await listen(
    createServer((request, response) => {
      if (request.url === "/v1/store/about") response.end(JSON.stringify(ABOUT));
      else answer(request, response);
    }),
  );
  return open(`http://127.0.0.1:${port}`, timeoutMs);
}

async function open(url: string, timeoutMs = 5000): Promise<Backend> {
  const backend = await openRemote({ url, namespace: "", clock: systemClock, emit: () => {}, timeoutMs });
  opened.push(backend);
  return backend;
}

async function failureOf(work: () => unknown): Promise<CacheError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const CALLS: Record<string, (backend: Backend) => unknown> = {
  getMany: (b) => b.getMany(["k"]),
  setMany: (b) => b.setMany([{ key: "k", value: Buffer.from("v") }]),
  touchMany: (b) => b.touchMany([{ key: "k", expiresAt: null }]),
  deleteMany: (b) => b.deleteMany(["k"]),
  deleteWhere: (b) => b.deleteWhere({ prefix: "k" }),
  scan: async (b) => {
    for await (const _ of b.scan({ all: true }));
  },
  openRead: async (b) => drain(await b.openRead("k")),
  openWrite: async (b) => (await b.openWrite({ key: "k" })).commit(),
  counters: (b) => b.counters(),
  describe: (b) => b.describe(),
  position: (b) => b.position(),
  lease: (b) => b.lease("k", 1000),
  atomic: (b) => b.atomic([{ delete: "k" }]),
  hottest: (b) => b.hottest(3),
};

describe.each(Object.keys(CALLS))("%s of a server", (name) => {
  const call = (backend: Backend) => CALLS[name]?.(backend);

  test("that goes away before it answers, or in the middle of it, is a lost connection", async () => {
    const before = await answering((request) => request.socket.destroy());
    expect(await failureOf(() => call(before))).toMatchObject({ kind: "connection", code: "connection-lost" });
    const amid = await answering((_, response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write('{"entries":[');
      setImmediate(() => response.destroy());
    });
    expect(await failureOf(() => call(amid))).toMatchObject({ kind: "connection", retryable: true });
  });

  test("that says nothing is given up", async () => {
    const backend = await answering(() => {}, 100);
    expect(await failureOf(() => call(backend))).toMatchObject({ kind: "timeout", code: "store-timeout" });
  });

  test.each([
    ["no JSON", "<html>"],
    ["no object", "[]\n"],
    ["an object of something else", '{"entries":7,"outcomes":[],"head":{"size":"x"}}\n'],
    ["lines that end too early", '{"entries":[]}\n'],
  ])("that answers with %s is no server of ours, or one that was cut short", async (_, text) => {
    const backend = await answering((_request, response) => void response.end(text));
    const error = await failureOf(() => call(backend)).catch((failure: Error) => failure.message);
    // What asks for nothing of the answer has nothing to miss in it.
    if (name === "atomic" && error === "it did not fail") return;
    expect(error).toMatchObject({ kind: expect.stringMatching(/^(?:store|connection|serialization)$/) });
  });

  test("that fails says why in the words of the server", async () => {
    const told = { error: { code: "store-full", message: "the store is full", kind: "store", hint: "Make room." } };
    const backend = await answering((_, response) => {
      response.writeHead(502).end(JSON.stringify(told));
    });
    expect(await failureOf(() => call(backend))).toMatchObject({
      code: "store-full",
      kind: "store",
      hint: "Make room.",
    });
  });
});

test("a call whose signal is given ends at once, and its connection too", async () => {
  let [come, gone] = [0, 0];
  const backend = await answering((_, response) => {
    come += 1;
    response.once("close", () => gone++);
  });
  const stop = new AbortController();
  const call = failureOf(() => backend.getMany(["k"], { signal: stop.signal }));
  await until(() => come === 1);
  stop.abort();
  expect(await call).toMatchObject({ code: "aborted" });
  await until(() => gone === 1);
});

test("a server that comes back is used again", async () => {
  const first = createServer((_, response) => void response.end(JSON.stringify(ABOUT)));
  const port = await listen(first);
  const backend = await open(`http://127.0.0.1:${port}`);
  first.closeAllConnections();
  await new Promise<void>((resolve) => first.close(() => resolve()));
  expect(await failureOf(() => backend.getMany(["k"]))).toMatchObject({ kind: "connection" });
  const again = createServer((_, response) => void response.end('{"entries":[null]}'));
  servers.push(again);
  await new Promise<void>((resolve) => again.listen(port, "127.0.0.1", resolve));
  expect(await backend.getMany(["k"])).toEqual([undefined]);
});

test("a certificate is checked against the authority that is named", async () => {
  const certificates = await makeCertificates(tempDir("remote-tls"));
  const pem = (path: string) => readFileSync(path, "utf8");
  const server = createSecureServer(
    { key: pem(certificates.key), cert: pem(certificates.cert) },
    (_, response) => void response.end(JSON.stringify(ABOUT)),
  );
  const url = `https://127.0.0.1:${await listen(server)}`;
  expect(await failureOf(() => open(url))).toMatchObject({ code: "tls-failed", hint: expect.stringContaining("ca=") });
  const context = { namespace: "", clock: systemClock, emit: () => {} };
  const backend = await openRemote({ ...context, url, tls: { ca: pem(certificates.ca) } });
  expect(backend.capabilities.persistent).toBe(true);
  await backend.close();
});

test.each(["ftp://h", "http://u:p@h", "nonsense"])("%s is no address", async (url) => {
  expect(await failureOf(() => open(url))).toMatchObject({ kind: "usage", code: "invalid-store" });
});
