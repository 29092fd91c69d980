import { spawn } from "node:child_process";
import { join } from "node:path";
import { askAdmin, cacheServer, cpuTime, get, getAll, originHere } from "../http.js";
import { quantile } from "../measure.js";
import { startRedis } from "../redis.js";

const RESPONSES = 100_000;
const RUNS = 3;
const BYSTANDER = join(import.meta.dirname, "../peers/http-bystander.js");
/** What is asked for meanwhile: responses without the tag. */
const OTHERS = Array.from({ length: 50 }, (_, i) => `/other/${i}`);

/** A tag that 100,000 responses have is purged through the admin API, while another client asks for other responses, all of them hits. */
export async function measure(work) {
  const binary = work.binary();
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const body = Buffer.alloc(1024, "a");
  const origin = await originHere(work, (request, response) => {
    const tag = request.url?.startsWith("/tagged/") ? "big" : "other";
    response
      .writeHead(200, { "Cache-Control": "max-age=86400", "Surrogate-Key": tag, "Content-Length": body.length })
      .end(body);
  });
  const bounds = "maxEntries=200000&maxBytes=1GB";
  const kinds = {
    "memory over SQLite": [`memory:?${bounds}`, `sqlite:${work.path("c.db")}`],
    Redis: [redis.url],
    "memory over Redis": [`memory:?${bounds}`, `${redis.url}/1`],
  };
  const figures = [];
  for (const [name, stores] of Object.entries(kinds)) {
    const server = await cacheServer(work, binary, { origin, stores });
    const [times, cpu, waits, most] = [[], [], [], []];
    for (let run = 0; run < RUNS; run++) {
      await getAll(server.port, urls());
      await getAll(server.port, [...OTHERS, ...OTHERS], 1);
      const seen = await purgeOnce(server);
      times.push(seen.seconds);
      cpu.push(seen.cpu);
      waits.push(seen.p99);
      most.push(seen.most);
    }
    server.child.kill("SIGTERM");
    figures.push(
      {
        what: `purge of a tag with ${RESPONSES} responses on ${name}`,
        peer: "",
        bound: "at most",
        wanted: 2,
        seen: quantile(times, 0.5),
        unit: "s",
        samples: { times },
      },
      { what: "(… CPU time of the server, with the hits)", peer: "", seen: quantile(cpu, 0.5), unit: "s" },
      {
        what: "… hits of others meanwhile, p99",
        peer: "",
        bound: "at most",
        wanted: 50,
        seen: quantile(waits, 0.5),
        unit: "ms",
        samples: { waits, most },
      },
      { what: "(… the longest)", peer: "", seen: quantile(most, 0.5), unit: "ms" },
    );
  }
  return figures;
}

function* urls() {
  for (let i = 0; i < RESPONSES; i++) yield `/tagged/${i}`;
}

/** @param {{ child: import("node:child_process").ChildProcess, port: number, adminPort: number }} server */
async function purgeOnce({ child: server, port, adminPort }) {
  const child = spawn("taskset", ["-c", "1", "node", BYSTANDER, String(port), ...OTHERS], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  const ended = new Promise((resolve) => child.once("close", resolve));
  await new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      resolve(undefined);
    });
  });
  const before = cpuTime(server);
  const began = performance.now();
  const { deleted } = await askAdmin(adminPort, "/cache/purge", { tags: ["big"] });
  const seconds = (performance.now() - began) / 1000;
  const cpu = (cpuTime(server) - before) / 1e6;
  child.stdin.end();
  await ended;
  const { p99, most, failed } = JSON.parse(said.slice(said.indexOf("\n")));
  if (deleted !== RESPONSES || failed > 0) throw new Error(`${deleted} deleted, ${failed} requests failed`);
  for (const i of [0, RESPONSES - 1]) {
    const { fields } = await get(port, `/tagged/${i}`);
    if (!fields.includes("MISS")) throw new Error(`not purged: ${fields.join(" ")}`);
  }
  return { seconds, cpu, p99, most };
}
