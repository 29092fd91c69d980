import { closeSync, openSync, writeSync } from "node:fs";

/** A day, as the records that are warmed and their peers' entries live. */
export const TTL_MS = 86_400_000;

const CITIES = ["Lisbon", "Oslo", "Nairobi", "Quito", "Hanoi", "Tbilisi", "Perth"];

/**
 * The value of a record, the same in every run.
 * @param {number} i
 */
export function jsonOf(i) {
  const price = ((i * 7919) % 100_000) / 100;
  return `{"id":${i},"name":"Product ${i}","price":${price},"stock":${(i * 31) % 977},"city":"${CITIES[i % 7]}","tags":["a${i % 13}","b${i % 17}"]}`;
}

/** @param {number} i */
export const keyOf = (i) => `product:${String(i).padStart(7, "0")}`;

/**
 * @param {string} path
 * @param {number} count
 * @param {"object" | "array" | "ndjson"} format
 * @param {(i: number) => string} [key]
 */
export function writeRecords(path, count, format, key = keyOf) {
  const [open, close, between] = {
    object: ["{\n", "\n}\n", ",\n"],
    array: ["[\n", "\n]\n", ",\n"],
    ndjson: ["", "\n", "\n"],
  }[format];
  const record = (/** @type {number} */ i) =>
    format === "object" ? `"${key(i)}":${jsonOf(i)}` : `{"key":"${key(i)}","value":${jsonOf(i)}}`;
  writeChunks(path, count, (i) => `${i === 0 ? open : between}${record(i)}${i === count - 1 ? close : ""}`);
}

/**
 * The same entries as what `redis-cli --pipe` takes.
 * @param {string} path
 * @param {number} count
 * @param {(i: number) => string} [key]
 */
export function writeProtocol(path, count, key = keyOf) {
  const word = (/** @type {string} */ text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
  const ttl = `${word("PX")}${word(`${TTL_MS}`)}`;
  writeChunks(path, count, (i) => `*5\r\n${word("SET")}${word(key(i))}${word(jsonOf(i))}${ttl}`);
}

/**
 * @param {string} path
 * @param {number} count
 * @param {(i: number) => string} part
 */
function writeChunks(path, count, part) {
  const file = openSync(path, "w", 0o600);
  try {
    for (let from = 0; from < count; from += 10_000) {
      let text = "";
      for (let i = from; i < Math.min(count, from + 10_000); i++) text += part(i);
      writeSync(file, text);
    }
  } finally {
    closeSync(file);
  }
}
