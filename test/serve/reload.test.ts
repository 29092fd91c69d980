import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { connect } from "node:tls";
import { Agent, request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { run } from "../../src/run.js";
import { Reload } from "../../src/serve/reload.js";
import { makeCertificates } from "../support/certificates.js";
import { Gate } from "../support/gate.js";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type Serving, startServing } from "./serving.js";

let origin: HttpOrigin;
let serving: Serving | undefined;
beforeEach(async () => {
  origin = await startOrigin((_request, response) => {
    response.writeHead(200, { "cache-control": "no-cache" }).end("hello");
  });
});
afterEach(async () => {
  serving?.running.kill("SIGTERM");
  await serving?.running.result;
  serving = undefined;
  await origin.stop();
});

/** How often it has been said on standard error. */
const told = (text: string) => (serving?.running.stderr() ?? "").split(text).length - 1;

describe("SIGHUP", () => {
  test("other rules on the disk count from then on, and a file with a mistake changes nothing and says why in one line", async () => {
    const rules = join(tempDir("reload"), "rules.json");
    writeFileSync(rules, "[]");
    serving = await startServing(["--origin", origin.url, "--store", "memory:", "--rules", rules]);
    await serving.get("/a");
    expect(await serving.get("/a")).toMatchObject({ cache: "MISS" });
    writeFileSync(rules, '[{"pattern":"/*","ttl":"1h","override":true}]');
    serving.running.kill("SIGHUP");
    await until(() => told("reloaded rules") === 1);
    await serving.get("/b");
    expect(await serving.get("/b")).toMatchObject({ cache: "HIT" });
    writeFileSync(rules, '[{"pattern":"/*","ttl":"soon"},{"pattern":"nonsense"}]');
    const before = serving.running.stderr();
    serving.running.kill("SIGHUP");
    await until(() => told("nothing is reloaded") === 1);
    const said = serving.running.stderr().slice(before.length);
    expect(said.trimEnd().split("\n")).toEqual([expect.stringMatching(/rules\.json: rules\[0\]\.ttl.*rules\[1\]/)]);
    await serving.get("/c");
    expect(await serving.get("/c")).toMatchObject({ cache: "HIT" });
    writeFileSync(rules, '[{"pattern":"/*","bypass":true}]');
    serving.running.kill("SIGHUP");
    await until(() => told("reloaded rules") === 2);
    expect(await serving.get("/c")).toMatchObject({ cache: "BYPASS" });
  });

  test("one that comes while it starts does not end it, and is obeyed when it has started", async () => {
    const cwd = tempDir("reload");
    const rules = join(cwd, "rules.json");
    writeFileSync(rules, "[]");
    const stop = new AbortController();
    let said = "";
    const sink = () =>
      new Writable({
        write(chunk, _encoding, done) {
          said += chunk;
          done();
        },
      });
    const argv = ["serve", "--origin", origin.url, "--store", "memory:", "--port", "0", "--rules", rules];
    const ended = run(argv, {
      ...{ stdin: Readable.from([]), stdout: sink(), stderr: sink(), env: { HOME: cwd }, cwd },
      ...{ clock: systemClock, signal: stop.signal, uid: process.getuid?.() },
      onHangup: (listener) => {
        expect(said).toBe("");
        listener();
        return () => {};
      },
    });
    await until(() => said.includes("cache serve: reloaded rules"));
    stop.abort();
    await ended;
  });

  test("rules in a config file are read from there again", async () => {
    const cwd = tempDir("reload");
    const write = (rules: unknown) =>
      writeFileSync(join(cwd, "cache.config.json"), JSON.stringify({ rules }), { mode: 0o600 });
    write([]);
    serving = await startServing(["--origin", origin.url, "--store", "memory:"], { cwd });
    write([{ pattern: "/*", ttl: "1h", override: true }]);
    serving.running.kill("SIGHUP");
    await until(() => told("reloaded rules") === 1);
    await serving.get("/a");
    expect(await serving.get("/a")).toMatchObject({ cache: "HIT" });
  });

  test("another certificate is for new connections: those that stand go on, and one that doesn't fit its key is not taken", async () => {
    const [first, second] = await Promise.all(["one", "two"].map((name) => makeCertificates(tempDir(name))));
    if (!first || !second) throw new Error("no certificates");
    const dir = tempDir("reload");
    const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
    const install = (certificate: string, itsKey: string) => {
      copyFileSync(certificate, cert);
      copyFileSync(itsKey, key);
    };
    install(first.cert, first.key);
    const tls = ["--tls-cert", cert, "--tls-key", key];
    serving = await startServing(["--origin", origin.url, "--store", "memory:", ...tls]);
    const { port } = new URL(serving.url);
    const standing = new Agent({ connections: 1, connect: { ca: readFileSync(first.ca) } });
    const ask = async () => (await request(`${serving?.url}/a`, { dispatcher: standing })).body.text();
    expect(await ask()).toBe("hello");
    /** Whether a new connection is trusted by this authority. */
    const trusts = (ca: string) =>
      new Promise<boolean>((resolve) => {
        const socket = connect({ host: "127.0.0.1", port: Number(port), ca: readFileSync(ca) }, () => {
          socket.end();
          resolve(true);
        });
        socket.on("error", () => resolve(false));
      });
    expect([await trusts(first.ca), await trusts(second.ca)]).toEqual([true, false]);
    install(second.cert, first.key);
    serving.running.kill("SIGHUP");
    await until(() => told("nothing is reloaded") === 1);
    expect(serving.running.stderr()).toContain("are no certificate and its key");
    expect([await trusts(first.ca), await trusts(second.ca)]).toEqual([true, false]);
    install(second.cert, second.key);
    serving.running.kill("SIGHUP");
    await until(() => told("reloaded rules, certificate") === 1);
    expect([await trusts(first.ca), await trusts(second.ca)]).toEqual([false, true]);
    // A new connection would be refused now: it is the old one.
    expect(await ask()).toBe("hello");
    await standing.close();
  });
});

describe("reloading", () => {
  test("is all or nothing", async () => {
    const used: string[] = [];
    const failed: unknown[] = [];
    const broken = new Error("broken");
    const reload = new Reload(
      [
        { name: "a", prepare: () => () => used.push("a") },
        { name: "b", prepare: () => Promise.reject(broken) },
      ],
      { reloaded: () => used.push("all"), failed: (error) => failed.push(error) },
    );
    await reload.request();
    expect([used, failed]).toEqual([[], [broken]]);
  });

  test("asked for while it runs it is done once more, however often it was asked for", async () => {
    const first = new Gate();
    let state = "old";
    const used: string[] = [];
    const reload = new Reload(
      [
        {
          name: "a",
          prepare: async () => {
            const read = state;
            await first.opened;
            return () => used.push(read);
          },
        },
      ],
      { reloaded: () => {}, failed: () => {} },
    );
    const runs = [reload.request()];
    state = "new";
    runs.push(reload.request(), reload.request());
    first.open();
    await Promise.all(runs);
    expect(used).toEqual(["old", "new"]);
  });
});
