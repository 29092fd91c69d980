import { setTimeout as sleep } from "node:timers/promises";
import { bareServer, cacheServer, freePort, get, getAll, residentBytes } from "../http.js";

const RESPONSES = 500_000;
const BYTES = 1024;

/** By how much the resident memory of the proxy has grown when it holds 500,000 responses of 1 KiB, for each of them: body, fields, key and books. */
export async function measure(work) {
  const binary = work.binary();
  const origin = await freePort();
  await bareServer(work, origin, BYTES, { core: 1 });
  const stores = ["memory:?maxEntries=600000&maxBytes=2GB"];
  const { child, port } = await cacheServer(work, binary, { origin, stores });
  // What the first requests load is no response's.
  await getAll(port, urls(0, 2000));
  const before = residentBytes(child);
  await getAll(port, urls(2000, 2000 + RESPONSES));
  const full = residentBytes(child);
  await sleep(5000);
  const after = residentBytes(child);
  // V8 gives back what its collections left of its heap when there has been little to do for a while.
  await sleep(90_000);
  const idle = residentBytes(child);
  for (const i of [0, 2000, RESPONSES]) {
    const { fields } = await get(port, path(i));
    if (!fields.includes("HIT")) throw new Error(`${path(i)} is not held: ${fields.join(" ")}`);
  }
  return [
    {
      what: `resident memory for each of ${RESPONSES} responses of 1 KiB`,
      peer: "",
      bound: "at most",
      wanted: 1.6,
      seen: (after - before) / RESPONSES / 1024,
      unit: "KiB",
      samples: { before, full, after },
    },
    {
      what: "(… when nobody has asked for anything for 95 s)",
      peer: "",
      seen: (idle - before) / RESPONSES / 1024,
      unit: "KiB",
      samples: { idle },
    },
  ];
}

const path = (/** @type {number} */ i) => `/item/${i}`;

function* urls(/** @type {number} */ from, /** @type {number} */ to) {
  for (let i = from; i < to; i++) yield path(i);
}
