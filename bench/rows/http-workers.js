import { join } from "node:path";
import { bareServer, cacheServer, fieldsOfHit, freePort, get, load, serve } from "../http.js";
import { interleave, quantile } from "../measure.js";

const BYTES = 1024;
const WORKERS = 2;

/** Hits of 1 KiB from two workers, against a bare node:cluster server with two. All of them have both cores, and so has the client: there are no more. */
export async function measure(work) {
  const binary = work.binary();
  const [origin, bare] = [await freePort(), await freePort()];
  await bareServer(work, origin, BYTES, { core: 1 });
  const core = "0,1";
  const more = ["--workers", String(WORKERS)];
  const { port } = await cacheServer(work, binary, { origin, stores: ["memory:"], more, core });
  // Each worker has a memory of its own, and connections go to them in turns.
  for (let i = 0; i < 50; i++) await get(port, "/item");
  const fields = await fieldsOfHit(port, "/item");
  const peer = join(import.meta.dirname, "../peers/http-cluster.js");
  const peerArgs = [String(WORKERS), String(bare), String(BYTES), JSON.stringify(fields)];
  await serve(work, ["node", peer, ...peerArgs], bare, core);
  /** @type {Record<string, number[]>} */
  const p99 = { proxy: [], bare: [] };
  const rateOf = (name, at) => async () => {
    const seen = await load(at, "/item", { core });
    p99[name]?.push(seen.p99);
    return seen.rate;
  };
  const seen = await interleave({ proxy: rateOf("proxy", port), bare: rateOf("bare", bare) }, { runs: 7 });
  const against = `a bare node:cluster of two (${seen.bare.median.toFixed(0)} a second)`;
  return [
    {
      what: "hits of 1 KiB from memory, 64 connections, two workers: rate",
      peer: against,
      bound: "at least",
      wanted: 0.9,
      seen: seen.proxy.median / seen.bare.median,
      unit: "×",
      samples: seen,
    },
    {
      what: "(… p99)",
      peer: against,
      seen: quantile(p99.proxy, 0.5) / quantile(p99.bare, 0.5),
      unit: "×",
      samples: p99,
    },
  ];
}
