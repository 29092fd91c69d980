// What takes its time: the database of a shop, as far as these examples need one.
import { setTimeout as sleep } from "node:timers/promises";

const products = new Map([
  ["1", { id: "1", name: "Desk lamp", price: 39 }],
  ["2", { id: "2", name: "Bookshelf", price: 120 }],
]);

/** How often it was asked. */
export let queries = 0;

export async function findProduct(id) {
  queries += 1;
  await sleep(50);
  return products.get(id);
}

export async function changePrice(id, price) {
  const product = products.get(id);
  if (product) products.set(id, { ...product, price });
  return product !== undefined;
}
