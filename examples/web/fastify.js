// CACHE_STORE=redis://localhost:6379 PORT=3000 node fastify.js
import { openCache } from "cachectl";
import Fastify from "fastify";
import { changePrice, findProduct, queries } from "./products.js";

const app = Fastify();

// One cache for the whole server, closed with it.
const cache = await openCache({
  store: process.env.CACHE_STORE ?? "memory:",
  namespace: "shop",
  onEvent: (event) => app.log.warn(event.message),
});
app.addHook("onClose", () => cache.close());

app.get("/products/:id", async (request, reply) => {
  const { id } = request.params;
  const product = await cache.getOrSet(`product:${id}`, () => findProduct(id), {
    ttl: 60_000,
    // For ten minutes more a product is given as it was, while it is fetched anew.
    staleWhileRevalidate: 600_000,
    negativeTtl: 5_000,
    tags: ["products"],
  });
  return product ?? reply.code(404).send({ error: "no such product" });
});

// First the database, then the cache: a load that began before the change is not kept.
app.put("/products/:id/price", async (request, reply) => {
  const { id } = request.params;
  if (!(await changePrice(id, Number(request.body.price)))) return reply.code(404).send({ error: "no such product" });
  await cache.delete(`product:${id}`);
  return reply.code(204).send();
});

app.get("/queries", async () => ({ queries }));

const address = await app.listen({ port: Number(process.env.PORT ?? 3000), host: "127.0.0.1" });
console.log(`${address}/products/1`);

process.once("SIGTERM", () => app.close());
