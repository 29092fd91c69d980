import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { bareServer, cacheServer, cpuTime, fieldsOfHit, freePort, get, load, serve } from "../http.js";
import { interleave, quantile } from "../measure.js";

const BYTES = 1024;

/** Hits of 1 KiB in memory, 64 connections that stay, one process on one core, against a bare node:http server that sends the same fields and bytes. */
export async function measure(work) {
  const binary = work.binary();
  const [origin, bare] = [await freePort(), await freePort()];
  await bareServer(work, origin, BYTES, { core: 1 });
  const stores = ["memory:"];
  const proxy = await cacheServer(work, binary, { origin, stores });
  const logging = await cacheServer(work, binary, {
    origin,
    stores,
    more: ["--access-log", work.path("access.log")],
  });
  await get(proxy.port, "/item");
  await get(logging.port, "/item");
  const fields = await fieldsOfHit(proxy.port, "/item");
  const servers = {
    proxy,
    logging,
    bare: { port: bare, child: await bareServer(work, bare, BYTES, { fields }) },
    ...(has("nginx") && { nginx: await nginx(work, origin) }),
    ...(has("varnishd") && { varnish: await varnish(work, origin) }),
  };
  const names = Object.keys(servers);
  const p99 = Object.fromEntries(names.map((name) => [name, []]));
  const cpu = Object.fromEntries(names.map((name) => [name, []]));
  const rateOf = (name) => async () => {
    const { port, child } = servers[name];
    const before = cpuTime(child);
    const seen = await load(port, "/item");
    p99[name].push(seen.p99);
    cpu[name].push((cpuTime(child) - before) / seen.requests);
    return seen.rate;
  };
  const rates = await interleave(Object.fromEntries(names.map((name) => [name, rateOf(name)])), { runs: 7 });
  // The first of each were warm-ups.
  const mid = (lists, name) => quantile(lists[name].slice(1), 0.5);
  const rate = (name) => rates[name].median / rates.bare.median;
  const peer = "bare node:http, the same fields and bytes";
  const reported = (name, title) =>
    name in servers
      ? [{ what: `(${title}: rate)`, peer, seen: rate(name), unit: "×", samples: { p99: p99[name], cpu: cpu[name] } }]
      : [{ what: `(${title} is not installed)`, peer, seen: Number.NaN, unit: "×" }];
  return [
    {
      what: "hits of 1 KiB from memory, 64 connections, one process: rate",
      peer: `${peer} (${rates.bare.median.toFixed(0)} a second)`,
      bound: "at least",
      wanted: 0.8,
      seen: rate("proxy"),
      unit: "×",
      samples: rates,
    },
    { what: "… with the access log", peer, bound: "at least", wanted: 0.65, seen: rate("logging"), unit: "×" },
    {
      what: "… p99",
      peer,
      bound: "at most",
      wanted: 2,
      seen: mid(p99, "proxy") / mid(p99, "bare"),
      unit: "×",
      samples: p99,
    },
    {
      what: "(requests for the same CPU time: whatever else runs)",
      peer,
      seen: mid(cpu, "bare") / mid(cpu, "proxy"),
      unit: "×",
      samples: cpu,
    },
    { what: "(… with the access log)", peer, seen: mid(cpu, "bare") / mid(cpu, "logging"), unit: "×" },
    ...reported("nginx", "nginx, proxy_cache, one worker"),
    ...reported("varnish", "Varnish"),
  ];
}

function has(program) {
  return spawnSync("which", [program]).status === 0;
}

/** One process, all in the folder of the benchmark. */
async function nginx(work, origin) {
  const port = await freePort();
  const config = work.path("nginx.conf");
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${work.path("nginx.pid")}; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${work.path("nginx-body")};
  fastcgi_temp_path ${work.path("n1")}; uwsgi_temp_path ${work.path("n2")}; scgi_temp_path ${work.path("n3")};
  proxy_cache_path ${work.path("nginx-cache")} keys_zone=bench:10m use_temp_path=off;
  server {
    listen 127.0.0.1:${port}; keepalive_requests 1000000000;
    location / {
      proxy_pass http://127.0.0.1:${origin}; proxy_cache bench;
      add_header X-Cache $upstream_cache_status;
    }
  }
}
`,
  );
  const child = await serve(work, ["nginx", "-c", config, "-p", work.dir], port);
  await get(port, "/item");
  const { fields } = await get(port, "/item");
  if (!fields.includes("HIT")) throw new Error(`nginx: no hit: ${fields.join(" ")}`);
  return { port, child };
}

async function varnish(work, origin) {
  const port = await freePort();
  const options = ["-F", "-j", "none", "-n", work.path("varnish"), "-s", "malloc,64m"];
  const listening = ["-a", `127.0.0.1:${port}`, "-b", `127.0.0.1:${origin}`];
  const child = await serve(work, ["varnishd", ...options, ...listening], port);
  await get(port, "/item");
  const { fields } = await get(port, "/item");
  if (!fields.some((value) => /^\d+ \d+$/.test(value))) throw new Error(`Varnish: no hit: ${fields.join(" ")}`);
  return { port, child };
}
