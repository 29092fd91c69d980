import { Agent } from "node:http";
import { cacheServer, get, originHere } from "../http.js";
import { startRedis } from "../redis.js";

const CALLERS = 1000;
const ROUNDS = 5;
/** Milliseconds that the origin takes. */
const SLOW = 300;

/** What an origin is asked when 1,000 clients, each with a connection of its own, want the same at once, and nothing is stored. */
export async function measure(work) {
  const binary = work.binary();
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  /** @type {Map<string, number>} */
  const asked = new Map();
  const origin = await originHere(work, (request, response) => {
    const { url = "" } = request;
    asked.set(url, (asked.get(url) ?? 0) + 1);
    const body = Buffer.alloc(url.startsWith("/large") ? 1_000_000 : 1024, "a");
    const answer = () => {
      response.writeHead(200, { "Cache-Control": "max-age=600", "Content-Length": body.length }).end(body);
    };
    if (url === "/ready") answer();
    else setTimeout(answer, SLOW);
  });
  const kinds = {
    memory: ["memory:"],
    SQLite: [`sqlite:${work.path("c.db")}`],
    file: [`file:${work.path("files")}`],
    Redis: [`${redis.url}/1`],
    "memory over SQLite": ["memory:", `sqlite:${work.path("d.db")}`],
  };
  const figures = [];
  const open = (stores) => cacheServer(work, binary, { origin, stores });
  for (const [name, stores] of Object.entries(kinds)) {
    const { port } = await open(stores);
    for (const [kind, callers] of [
      ["small", CALLERS],
      ["large", CALLERS / 10],
    ]) {
      figures.push({
        what: `${callers} equal misses of ${kind === "small" ? "1 KiB" : "1 MB"} at once on ${name}`,
        peer: "the origin is asked",
        bound: "at most",
        wanted: 1,
        ...(await rounds(asked, [port], `/${kind}/${encodeURIComponent(name)}`, callers)),
      });
    }
  }
  const shared = [await open([`${redis.url}/2`]), await open([`${redis.url}/2`])];
  const tiered = [await open(["memory:", `${redis.url}/3`]), await open(["memory:", `${redis.url}/3`])];
  for (const [name, both] of Object.entries({ Redis: shared, "memory over Redis": tiered })) {
    figures.push({
      what: `${CALLERS} at two instances on one ${name}`,
      peer: "the origin is asked",
      bound: "at most",
      wanted: 2,
      ...(await rounds(
        asked,
        both.map(({ port }) => port),
        `/small/two/${encodeURIComponent(name)}`,
        CALLERS,
      )),
    });
  }
  return figures;
}

/**
 * @param {Map<string, number>} asked
 * @param {readonly number[]} ports
 * @param {string} path
 * @param {number} callers
 * @returns {Promise<{ seen: number, unit: "requests", samples: object }>} the most of some rounds
 */
async function rounds(asked, ports, path, callers) {
  const counts = [];
  for (let round = 0; round < ROUNDS; round++) {
    const url = `${path}/${round}`;
    const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
    const answers = await Promise.all(
      Array.from({ length: callers }, (_, i) => get(ports[i % ports.length] ?? 0, url, agent)),
    );
    agent.destroy();
    const bad = answers.find(({ status, bytes }) => status !== 200 || bytes !== answers[0]?.bytes);
    if (bad) throw new Error(`${url}: ${bad.status}, ${bad.bytes} bytes`);
    counts.push(asked.get(url) ?? 0);
  }
  return { seen: Math.max(...counts), unit: "requests", samples: { counts } };
}
