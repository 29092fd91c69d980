// CACHE_STORE=redis://localhost:6379 PORT=3000 node express.js
import { openCache } from "cachectl";
import express from "express";
import { changePrice, findProduct, queries } from "./products.js";

const cache = await openCache({
  store: process.env.CACHE_STORE ?? "memory:",
  namespace: "shop",
  onEvent: (event) => console.warn(event.message),
});

const app = express();
app.use(express.json());

// However many ask at once, the database is asked once; that there is no such product is remembered too, for less long.
app.get("/products/:id", async (request, response) => {
  const { id } = request.params;
  const product = await cache.getOrSet(`product:${id}`, () => findProduct(id), {
    ttl: 60_000,
    negativeTtl: 5_000,
    tags: ["products"],
  });
  if (product === undefined) response.status(404).json({ error: "no such product" });
  else response.json(product);
});

// First the database, then the cache: a load that began before the change is not kept.
app.put("/products/:id/price", async (request, response) => {
  const { id } = request.params;
  if (!(await changePrice(id, Number(request.body.price)))) return response.status(404).json({ error: "no such product" });
  await cache.delete(`product:${id}`);
  response.status(204).end();
});

app.get("/queries", (_request, response) => response.json({ queries }));

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/products/1`);
});

process.once("SIGTERM", () => server.close(() => cache.close()));
