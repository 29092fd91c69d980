import { bareServer, freePort, get, load, serve } from "../http.js";
import { interleave } from "../measure.js";

const BYTES = 1024;
/** Fields that Node adds by itself. */
const OF_NODE = new Set(["connection", "keep-alive"]);

/** Hits of 1 KiB in memory, 64 connections that stay, one process on one core, against a bare node:http server that sends the same fields and bytes. */
export async function measure(work) {
  const binary = work.binary();
  const [origin, proxy, logging, bare] = [await freePort(), await freePort(), await freePort(), await freePort()];
  await bareServer(work, origin, BYTES, { core: 1 });
  const proxied = (port, ...more) => [
    ...["node", binary, "serve", "--origin", `http://127.0.0.1:${origin}`, "--store", "memory:"],
    ...["--port", String(port), ...more],
  ];
  await serve(work, proxied(proxy), proxy);
  await serve(work, proxied(logging, "--access-log", work.path("access.log")), logging);
  await get(proxy, "/item");
  await get(logging, "/item");
  const hit = await get(proxy, "/item");
  const fields = hit.fields.flatMap((name, i) =>
    i % 2 === 0 && !OF_NODE.has(name.toLowerCase()) ? [name, hit.fields[i + 1]] : [],
  );
  if (!fields.includes("HIT")) throw new Error(`no hit: ${fields.join(" ")}`);
  await bareServer(work, bare, BYTES, { fields });
  const p99 = { proxy: [], bare: [] };
  const rateOf = (port, name) => async () => {
    const seen = await load(port, "/item");
    p99[name]?.push(seen.p99);
    return seen.rate;
  };
  const seen = await interleave(
    { proxy: rateOf(proxy, "proxy"), logging: rateOf(logging, "logging"), bare: rateOf(bare, "bare") },
    { runs: 7 },
  );
  const ratio = (name) => seen[name].median / seen.bare.median;
  const what = "hits of 1 KiB from memory, 64 connections, one process: their rate";
  const peer = "bare node:http, the same fields and bytes";
  return [
    { what, peer, bound: "at least", wanted: 0.8, seen: ratio("proxy"), unit: "×", samples: seen },
    { what: "… with the access log", peer, bound: "at least", wanted: 0.65, seen: ratio("logging"), unit: "×" },
    {
      what: "… p99",
      peer,
      bound: "at most",
      wanted: 2,
      seen: median(p99.proxy) / median(p99.bare),
      unit: "×",
      samples: p99,
    },
  ];
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
