import { Agent, request } from "undici";
import { afterEach, expect, test } from "vitest";
import { codeOf } from "../../../src/errors.js";
import { type HttpOrigin, startOrigin } from "../../support/http-origin.js";
import { until } from "../../support/until.js";
import { startServing } from "../serving.js";
import { passLargeBodies } from "./large-bodies.js";

let origin: HttpOrigin | undefined;
afterEach(() => origin?.stop());

test("SIGTERM while clients with kept connections ask one request after the other: each that was sent is answered", async () => {
  origin = await startOrigin(async ({ url }, response) => {
    if (url.startsWith("/slow")) await new Promise((resolve) => setTimeout(resolve, 30));
    const cacheControl = url.startsWith("/slow") ? "no-store" : "max-age=60";
    response.writeHead(200, { "cache-control": cacheControl }).end("hello");
  });
  const serving = await startServing(["--origin", origin.url, "--store", "memory:"]);
  const dispatcher = new Agent({ connections: 32, pipelining: 1 });
  const lost: unknown[] = [];
  let answered = 0;
  const ask = async (client: number) => {
    for (let i = 0; ; i++) {
      const path = ["/hit", `/slow?${client}-${i}`, `/miss?${client}-${i}`][i % 3];
      try {
        const { statusCode, body } = await request(serving.url + path, { dispatcher });
        if (statusCode !== 200 || (await body.text()).length !== 5) lost.push({ path, statusCode });
        answered += 1;
      } catch (error) {
        // Who comes after the end finds nobody: that is known before anything is sent.
        if (codeOf(error) !== "ECONNREFUSED") lost.push(error);
        return;
      }
    }
  };
  const clients = Array.from({ length: 32 }, (_, i) => ask(i));
  await until(() => answered > 500, { timeoutMs: 15_000 });
  serving.running.kill("SIGTERM");
  await Promise.all(clients);
  expect(lost).toEqual([]);
  expect(await serving.running.result).toMatchObject({ code: 0, signal: null });
  await dispatcher.close();
}, 40_000);

test("80 MB through a file store, both ways, in bounded memory", async () => {
  await passLargeBodies("file", 80_000_000, 75_000_000);
}, 60_000);
