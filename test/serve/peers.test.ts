import { execFile } from "node:child_process";
import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Nginx, startNginx } from "../support/nginx.js";
import { tempDir } from "../support/temp-dir.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

/** What curl says of one request: its status, its fields and its body. */
async function curl(...args: string[]) {
  const { stdout } = await promisify(execFile)("curl", ["-sS", "--max-time", "20", "-D", "-", ...args], {
    encoding: "buffer",
    maxBuffer: 50_000_000,
  });
  // Interim responses come before the final one.
  let head = "";
  let body = stdout;
  do {
    const end = body.indexOf("\r\n\r\n");
    head = body.subarray(0, end).toString("latin1");
    body = body.subarray(end + 4);
  } while (/^HTTP\/1\.1 1\d\d/.test(head));
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trim();
  return { status: Number(head.split(" ", 2)[1]), field, cache: field("x-cache"), body };
}

let nginx: Nginx;
let proxy: ProxyUnderTest;
beforeAll(async () => {
  nginx = await startNginx("location /cached/ { expires 60s; }");
  const folder = join(nginx.root, "cached");
  mkdirSync(folder);
  const text = "a line of text that compresses well\n".repeat(200);
  writeFileSync(join(folder, "page.txt"), text);
  writeFileSync(join(folder, "large.bin"), Buffer.alloc(3_000_000, "0123456789"));
  const week = 7 * 24 * 3600;
  for (const name of ["page.txt", "large.bin"]) {
    const { mtimeMs } = statSync(join(folder, name));
    utimesSync(join(folder, name), mtimeMs / 1000 - week, mtimeMs / 1000 - week);
  }
  proxy = await startProxy((_, response) => void response.end(), {
    store: ["memory:", `sqlite:${tempDir("peers")}/c.db`],
    options: { origins: [{ path: "/", url: nginx.url }] },
  });
});
afterAll(async () => {
  await proxy.stop();
  await nginx.stop();
});

const at = (path: string) => `${proxy.server.url}${path}`;

describe("nginx as the origin, curl as the client", () => {
  test("the same bytes as without, from the origin and from the store", async () => {
    const direct = await curl(`${nginx.url}/cached/large.bin`);
    const miss = await curl(at("/cached/large.bin"));
    const hit = await curl(at("/cached/large.bin"));
    expect([miss.cache, hit.cache]).toEqual(["MISS", "HIT"]);
    for (const { body, field } of [miss, hit]) {
      expect(body.equals(direct.body)).toBe(true);
      expect([field("etag"), field("last-modified")]).toEqual([direct.field("etag"), direct.field("last-modified")]);
    }
  });

  test("what is unchanged is not sent again: conditions, by entity tag and by date", async () => {
    const { field } = await curl(at("/cached/page.txt"));
    const [tag = "", modified = ""] = [field("etag"), field("last-modified")];
    for (const condition of [`If-None-Match: ${tag}`, `If-Modified-Since: ${modified}`]) {
      const answer = await curl("-H", condition, at("/cached/page.txt"));
      expect([condition, answer.status, answer.cache, answer.body.length]).toEqual([condition, 304, "HIT", 0]);
    }
    expect((await curl("-H", 'If-Match: "other"', at("/cached/page.txt"))).status).toBe(412);
  });

  test("compressed and plain are kept beside each other (Vary)", async () => {
    const path = "/cached/page.txt?compressed";
    const packed = await curl("-H", "Accept-Encoding: gzip", at(path));
    expect([packed.cache, packed.field("content-encoding")]).toEqual(["MISS", "gzip"]);
    const plain = await curl(at(path));
    expect([plain.cache, plain.field("content-encoding")]).toEqual(["MISS", undefined]);
    const again = await curl("--compressed", "-H", "Accept-Encoding: gzip", at(path));
    expect([again.cache, again.body.equals(plain.body)]).toEqual(["HIT", true]);
  });

  test("parts: one, several, the last bytes, and none that there is", async () => {
    const whole = (await curl(at("/cached/large.bin"))).body;
    const one = await curl("-r", "1000-1999", at("/cached/large.bin"));
    expect([one.status, one.cache, one.field("content-range")]).toEqual([
      206,
      "HIT",
      `bytes 1000-1999/${whole.length}`,
    ]);
    expect(one.body.equals(whole.subarray(1000, 2000))).toBe(true);
    expect((await curl("-r", "-10", at("/cached/large.bin"))).body.equals(whole.subarray(-10))).toBe(true);
    const several = await curl("-r", "0-9,100-109", at("/cached/large.bin"));
    expect([several.status, several.field("content-type")]).toEqual([
      206,
      expect.stringContaining("multipart/byteranges"),
    ]);
    expect((await curl("-r", "9000000-", at("/cached/large.bin"))).status).toBe(416);
  });

  test("HEAD, HTTP/1.0 and a connection that is used again", async () => {
    const head = await curl("-I", "-o", "/dev/null", at("/cached/large.bin"));
    expect([head.status, head.field("content-length"), head.body.length]).toEqual([200, "3000000", 0]);
    const old = await curl("--http1.0", at("/cached/page.txt"));
    expect([old.status, old.field("transfer-encoding"), old.body.length]).toEqual([200, undefined, 7200]);
    const { stdout } = await promisify(execFile)("curl", [
      ...["-sS", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects}"],
      ...[at("/cached/page.txt"), at("/cached/page.txt")],
    ]);
    expect(stdout).toBe("10");
  });

  test("what the origin says no to stays its word", async () => {
    expect((await curl(at("/cached/none"))).status).toBe(404);
    // Larger than 1 MB, curl asks first (Expect: 100-continue); nginx takes no POST for a file.
    const posted = await curl("--data-binary", `@${join(nginx.root, "cached", "large.bin")}`, at("/cached/page.txt"));
    expect([405, 413]).toContain(posted.status);
    expect((await curl(at("/cached/page.txt"))).status).toBe(200);
  });
});

describe("Node's own client", () => {
  test("reads a hit to its end, and can leave in the middle of one", async () => {
    await curl(at("/cached/large.bin"));
    await new Promise<void>((resolve) => {
      const request = get(at("/cached/large.bin"), (response) => {
        response.once("data", () => {
          request.destroy();
          resolve();
        });
      });
      request.on("error", () => {});
    });
    const length = await new Promise<number>((resolve, reject) => {
      get(at("/cached/large.bin"), (response) => {
        let seen = 0;
        response.on("data", (piece: Buffer) => {
          seen += piece.length;
        });
        response.once("end", () => resolve(seen));
      }).once("error", reject);
    });
    expect(length).toBe(3_000_000);
  });
});
