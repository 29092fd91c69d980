// CACHE_STORE=redis://localhost:6379 DATABASE=shop.db node records.js
import { openCache } from "cachectl";
import { db, products, reads } from "./products.js";

const cache = await openCache({ store: process.env.CACHE_STORE ?? "memory:", namespace: "shop" });
const catalog = cache.records(products, { prefix: "product", ttl: 600_000 });

/** Runs `work` and says how often it read the database. */
async function counted(what, work) {
  const before = reads.count;
  const result = await work();
  console.log(`${what}: ${JSON.stringify(result)} (reads: ${reads.count - before})`);
}

const names = async (list) => (await list).map((product) => product?.name ?? null);

// However many ask at once, the database is asked once.
await counted("lamp", async () => (await Promise.all(Array.from({ length: 100 }, () => catalog.get(1))))[99]);
await counted("three", () => names(catalog.getMany([1, 2, 3])));
await counted("cheap", () => names(catalog.query({ below: 100 })));
await counted("again", () => names(catalog.query({ below: 100 })));

// First the database, then the cache: the record and every query of its kind.
await catalog.update(1, { price: 129 });
await counted("lamp", () => catalog.get(1));
await counted("cheap", () => names(catalog.query({ below: 100 })));

const { id } = await catalog.create({ name: "Rug", price: 60 });
await counted("cheap", () => names(catalog.query({ below: 100 })));
await catalog.delete(id);
await counted("rug", async () => (await catalog.get(id)) ?? null);

/** Several writes as one: what they invalidate is invalidated when the database has committed, and not at all after a rollback. */
function together(work) {
  return cache.transaction(async (invalidations) => {
    db.exec("BEGIN IMMEDIATE");
    try {
      await work(catalog.within(invalidations));
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  });
}

await together(async (catalog) => {
  await catalog.update(1, { price: 45 });
  await catalog.update(2, { price: 99 });
});
await counted("cheap", () => names(catalog.query({ below: 100 })));

const failed = together(async (catalog) => {
  await catalog.update(1, { price: 1 });
  await catalog.update(2, { price: -1 });
});
await failed.catch((error) => console.log(`rolled back: ${error.message}`));
await counted("lamp", () => catalog.get(1));

await cache.close();
db.close();
