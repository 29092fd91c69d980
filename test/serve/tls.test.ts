import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { readAuthorities, readTls } from "../../src/serve/tls.js";
import { type Certificates, makeCertificates } from "../support/certificates.js";
import { tempDir } from "../support/temp-dir.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

let made: Certificates;
let other: Certificates;
beforeAll(async () => {
  made = await makeCertificates(tempDir("tls"));
  other = await makeCertificates(tempDir("tls-other"));
});

describe("a proxy with a certificate", () => {
  let proxy: ProxyUnderTest | undefined;
  afterEach(() => proxy?.stop());

  test("speaks TLS, says so to the origin, and keeps what it serves so apart", async () => {
    const tls = readTls({ tlsCert: made.cert, tlsKey: made.key });
    if (!tls) throw new Error("there is no certificate");
    proxy = await startProxy(
      ({ headers }, response) => {
        response.writeHead(200, { "cache-control": "max-age=60" }).end(String(headers["x-forwarded-proto"]));
      },
      { options: { tls } },
    );
    expect(proxy.server.url).toMatch(/^https:/);
    const dispatcher = new Agent({ connect: { ca: readFileSync(made.ca) } });
    const answered = await request(`${proxy.server.url}/a`, { dispatcher });
    expect(await answered.body.text()).toBe("https");
    await dispatcher.close();
    const keys = [];
    for await (const key of proxy.cache.keys()) keys.push(key);
    expect(keys).toEqual([`r:GET ${proxy.server.url}/a`]);
  });
});

describe("certificates that can't be right", () => {
  const refusal = (paths: { tlsCert?: string; tlsKey?: string }) => () =>
    readTls({ tlsCert: paths.tlsCert, tlsKey: paths.tlsKey });

  test("one without the other, none at all, and two that don't match", () => {
    expect(readTls({ tlsCert: undefined, tlsKey: undefined })).toBeUndefined();
    expect(refusal({ tlsCert: made.cert })).toThrow("of no use without each other");
    expect(refusal({ tlsCert: made.cert, tlsKey: join(tempDir("tls"), "none") })).toThrow("ENOENT");
    expect(refusal({ tlsCert: made.cert, tlsKey: other.key })).toThrow("no certificate and its key");
    const junk = join(tempDir("tls"), "junk.pem");
    writeFileSync(junk, "junk");
    expect(refusal({ tlsCert: junk, tlsKey: made.key })).toThrow("no certificate and its key");
    expect(() => readAuthorities(junk)).toThrow("is no certificate");
    expect(readAuthorities(made.ca)).toContain("BEGIN CERTIFICATE");
  });
});
