import { bareServer, cacheServer, freePort, get } from "../http.js";
import { quantile } from "../measure.js";

/** Until V8 has compiled what runs all the time, in the origin as in the proxy. */
const WARM_UP = 2000;
const REQUESTS = 1000;
/** The first of all, beside them. */
const COLD = 500;

/** What asking through the proxy adds where nothing is stored yet: one request after another, each of another URL, through it and straight, in turns. */
export async function measure(work) {
  const binary = work.binary();
  const origin = await freePort();
  await bareServer(work, origin, 1024, { core: 1 });
  const figures = [];
  for (const [name, stores] of Object.entries({
    memory: ["memory:"],
    "memory over SQLite": ["memory:", `sqlite:${work.path("c.db")}`],
    file: [`file:${work.path("files")}`],
  })) {
    const { port } = await cacheServer(work, binary, { origin, stores });
    const straight = [];
    const through = [];
    for (let i = 0; i < WARM_UP + REQUESTS; i++) {
      const one = await get(origin, `/${name.length}/${i}`);
      const two = await get(port, `/${name.length}/${i}`);
      if (!two.fields.includes("MISS")) throw new Error(`no miss: ${two.fields.join(" ")}`);
      straight.push(one.ms);
      through.push(two.ms);
    }
    const added = (/** @type {number} */ from, /** @type {number} */ to) =>
      quantile(through.slice(from, to), 0.5) - quantile(straight.slice(from, to), 0.5);
    figures.push({
      what: `a miss on ${name}: what it adds at the median`,
      peer: "the origin alone",
      bound: "at most",
      wanted: 1,
      seen: added(WARM_UP, WARM_UP + REQUESTS),
      unit: "ms",
    });
    figures.push({
      what: `(… of the first ${COLD} after the start)`,
      peer: "the origin alone",
      seen: added(0, COLD),
      unit: "ms",
      samples: { straight, through },
    });
  }
  return figures;
}
