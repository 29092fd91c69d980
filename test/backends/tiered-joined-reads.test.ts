import { expect, test } from "vitest";
import type { Stored } from "../../src/backends/backend.js";
import { JoinedReads } from "../../src/backends/tiered/joined-reads.js";
import { CacheError } from "../../src/errors.js";

const stored = (key: string): Stored => ({ value: Buffer.from(key), size: key.length });

test("reads of one tick go down together, also those of callers who were woken in it, and each gets its own", async () => {
  const asked: (readonly string[])[] = [];
  const reads = new JoinedReads(async (keys) => {
    asked.push(keys);
    return keys.map((key) => (key === "none" ? undefined : stored(key)));
  });
  const woken = Promise.resolve().then(() => reads.get("c"));
  const found = await Promise.all([reads.get("a"), reads.get("none"), reads.get("a"), woken]);
  expect(found.map(([entry]) => entry && Buffer.from(entry.value).toString())).toEqual(["a", undefined, "a", "c"]);
  await reads.get("later");
  expect(asked).toEqual([["a", "none", "a", "c"], ["later"]]);
});

test("a great many are read 500 at a time, and none is forgotten or read twice", async () => {
  const asked: number[] = [];
  const reads = new JoinedReads(async (keys) => {
    asked.push(keys.length);
    return keys.map(stored);
  });
  const keys = Array.from({ length: 1001 }, (_, i) => `k${i}`);
  const found = await Promise.all(keys.map((key) => reads.get(key)));
  expect(found.map(([entry]) => entry && Buffer.from(entry.value).toString())).toEqual(keys);
  expect(asked).toEqual([500, 500, 1]);
});

test("what fails the read fails each of its callers, and not the next", async () => {
  let fails = true;
  const reads = new JoinedReads(async (keys) => {
    if (fails) throw new Error("away");
    return keys.map(stored);
  });
  const answers = await Promise.allSettled([reads.get("a"), reads.get("b")]);
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  fails = false;
  expect((await reads.get("a"))[0]?.size).toBe(1);
});

test("an entry that can't be read fails who asked for it, and nobody else", async () => {
  const reads = new JoinedReads(async (keys) => {
    if (keys.includes("later")) throw new CacheError("serialization", "envelope-unsupported", "of a later version");
    return keys.map(stored);
  });
  const answers = await Promise.allSettled(["a", "later", "b"].map((key) => reads.get(key)));
  expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});
