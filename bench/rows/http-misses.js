import { bareServer, cacheServer, freePort, get } from "../http.js";
import { quantile } from "../measure.js";

const REQUESTS = 500;

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
    for (let i = -50; i < REQUESTS; i++) {
      const one = await get(origin, `/${name.length}/${i}`);
      const two = await get(port, `/${name.length}/${i}`);
      if (!two.fields.includes("MISS")) throw new Error(`no miss: ${two.fields.join(" ")}`);
      if (i < 0) continue;
      straight.push(one.ms);
      through.push(two.ms);
    }
    const added = quantile(through, 0.5) - quantile(straight, 0.5);
    figures.push({
      what: `a miss on ${name}: what it adds at the median`,
      peer: "the origin alone",
      bound: "at most",
      wanted: 1,
      seen: added,
      unit: "ms",
      samples: { straight: quantile(straight, 0.5), through: quantile(through, 0.5) },
    });
  }
  return figures;
}
