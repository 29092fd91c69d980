import { test } from "vitest";
import { passLargeBodies } from "../serve/faults/large-bodies.js";

test.each(["sqlite", "file"])("100 MB through %s, both ways, in bounded memory", async (store) => {
  await passLargeBodies(store, 100_000_000, 80_000_000);
});
