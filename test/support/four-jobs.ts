import { execFile, spawn } from "node:child_process";
import { cpSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { ROOT } from "./documents.js";
import { until } from "./until.js";

export interface Installed {
  /** How `cache` is called: the program and what comes before its arguments. */
  command: readonly [program: string, ...args: string[]];
  /** Where it is called; nobody has configured anything there. */
  cwd: string;
  /** The whole environment, HOME in it. */
  env: Readonly<Record<string, string>>;
}

/** Does with a program what people have it for: warm a cache from JSON, look into it, invalidate in it, and run the proxy. */
export async function doFourJobs({ command: [program, ...first], cwd, env }: Installed): Promise<void> {
  const cache = async (...args: string[]) =>
    (await promisify(execFile)(program, [...first, ...args], { cwd, env: { ...env } })).stdout;
  cpSync(join(ROOT, "examples/products.json"), join(cwd, "products.json"));
  expect(JSON.parse(await cache("warm", "products.json", "--tag", "shop", "--json"))).toMatchObject({ stored: 6 });
  expect(await cache("get", "product:1", "--path", "name")).toBe("Desk lamp");
  expect((await cache("keys", "--prefix", "product:")).split("\n")).toHaveLength(4);
  expect(JSON.parse(await cache("invalidate", "--tag", "shop", "--yes", "--json"))).toMatchObject({ deleted: 6 });
  expect(JSON.parse(await cache("stats", "--json"))).toMatchObject({ hits: 1 });

  const origin = createServer((_request, response) => {
    response.setHeader("Cache-Control", "max-age=60");
    response.end("hello");
  });
  await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
  const address = origin.address();
  const to = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const server = spawn(program, [...first, "serve", "--origin", to, "--port", "0", "--admin-port", "0"], {
    cwd,
    env: { ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => server.once("close", resolve));
  let said = "";
  server.stderr.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  try {
    const [, proxy = "", admin = ""] = await until(() => /(http:\S+), admin (http:[^\s,]+)/.exec(said), {
      timeoutMs: 20_000,
      what: "the proxy to say its addresses",
    });
    const seen: (string | null)[] = [];
    for (let i = 0; i < 2; i++) {
      const response = await fetch(`${proxy}/a`);
      seen.push(response.headers.get("x-cache"), await response.text());
    }
    expect(seen).toEqual(["MISS", "hello", "HIT", "hello"]);
    expect(await cache("purge", `${proxy}/a`)).toContain("1");
    // The server hears of it within 100 ms.
    await until(async () => (await fetch(`${proxy}/a`)).headers.get("x-cache") === "MISS");
    expect((await fetch(`${admin}/health/cache`)).status).toBe(200);
  } finally {
    server.kill("SIGTERM");
    origin.close();
    origin.closeAllConnections();
  }
  expect(await ended).toBe(0);
}
