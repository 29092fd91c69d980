// node stream-value.js CORE URL MEGABYTES: writes one value through openWrite and reads it through openRead, after a small one to warm up. Of each: milliseconds, the
// longest stall of the event loop in milliseconds, and the bytes by which the peak of resident memory is above what it was when the store had been opened, when it had
// answered once (a client is loaded with the first request), and after the small one, as JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [core = "", url = "", megabytes = ""] = process.argv.slice(2);
const PIECE = 64 * 1024;
const WARM_UP_MB = 20;
const { openCache } = await import(pathToFileURL(core).href);
const cache = await openCache({ store: url });

/** Bytes of resident memory, now (`VmRSS`) or at the peak (`VmHWM`). @param {string} name */
const resident = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;

/** @param {() => Promise<void>} work */
async function watched(work) {
  // From here on the peak counts anew.
  writeFileSync("/proc/self/clear_refs", "5");
  const before = resident("VmRSS");
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  await sleep(5);
  delay.disable();
  return {
    ms,
    stall: delay.max / 1e6,
    grown: resident("VmHWM") - opened,
    grownSinceAnswer: resident("VmHWM") - answered,
    grownSinceWarmUp: resident("VmHWM") - before,
  };
}

/**
 * @param {string} key
 * @param {number} bytes
 */
async function write(key, bytes) {
  const piece = Buffer.alloc(PIECE, "cache");
  const writer = await cache.openWrite(key);
  for (let at = 0; at < bytes; at += PIECE) {
    piece.writeUInt32LE(at);
    await writer.write(piece);
  }
  const outcome = await writer.commit();
  if (outcome !== "stored") throw new Error(`the value was not stored: ${outcome}`);
}

/**
 * @param {string} key
 * @param {number} bytes
 */
async function read(key, bytes) {
  const reader = await cache.openRead(key);
  if (reader?.head.size !== bytes) throw new Error("the value is missing");
  let at = 0;
  for await (const part of reader.body) {
    const view = Buffer.from(part.buffer, part.byteOffset, part.length);
    for (let i = (PIECE - (at % PIECE)) % PIECE; i + 4 <= part.length; i += PIECE) {
      if (view.readUInt32LE(i) !== at + i) throw new Error(`other bytes at ${at + i}`);
    }
    at += part.length;
  }
  reader.close();
  if (at !== bytes) throw new Error(`${at} bytes came instead of ${bytes}`);
}

const MB = 1024 * 1024;
const opened = resident("VmRSS");
await cache.getBytes("nothing");
const answered = resident("VmRSS");
await write("small", WARM_UP_MB * MB);
await read("small", WARM_UP_MB * MB);
await cache.delete("small");
const written = await watched(() => write("large", Number(megabytes) * MB));
const taken = await watched(() => read("large", Number(megabytes) * MB));
await cache.delete("large");
await cache.close();
console.log(JSON.stringify({ written, taken }));
