import { describe, expect, test } from "vitest";
import { FrequencySketch } from "../../src/backends/memory/policy/frequency-sketch.js";
import { seededHash } from "../../src/backends/memory/policy/seeded-hash.js";

const secret = (fill: number) => new Uint8Array(8).fill(fill);

describe("the seeded hash", () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `user:${i}`);

  test("is the same under one secret, another one under another", () => {
    const [one, again, other] = [seededHash(secret(1)), seededHash(secret(1)), seededHash(secret(2))];
    expect(keys.slice(0, 100).map(one)).toEqual(keys.slice(0, 100).map(again));
    expect(keys.filter((key) => one(key) === other(key)).length).toBeLessThan(3);
    expect(seededHash()("k")).not.toBe(seededHash()("k"));
  });

  test("tells texts apart that differ in one character, or in length alone", () => {
    const hash = seededHash(secret(3));
    const texts = ["", "\0", "\0\0", "a", "a\0", "b", "ab", "ba", "abc", "abcd", "\u0100", "\u0001\0", "😀", "😁"];
    expect(new Set(texts.map(hash)).size).toBe(texts.length);
  });

  test("spreads alike keys evenly, in its lower bits and its upper ones", () => {
    const hash = seededHash(secret(4));
    for (const shift of [0, 24]) {
      const counts = new Array<number>(256).fill(0);
      for (const key of keys) {
        const byte = (hash(key) >>> shift) & 255;
        counts[byte] = (counts[byte] ?? 0) + 1;
      }
      // 78 each on average; six standard deviations.
      expect(Math.min(...counts)).toBeGreaterThan(25);
      expect(Math.max(...counts)).toBeLessThan(131);
    }
  });

  test("keys that meet under one secret do not under another", () => {
    const known = seededHash(secret(5));
    const target = known("victim") & 255;
    const meeting = keys.filter((key) => (known(key) & 255) === target);
    expect(meeting.length).toBeGreaterThan(25);
    const secretly = seededHash(secret(6));
    const still = meeting.filter((key) => (secretly(key) & 255) === (secretly("victim") & 255));
    expect(still.length).toBeLessThan(meeting.length / 4);
  });
});

describe("the frequency sketch", () => {
  const hash = seededHash(secret(9));

  test("counts to 15 and never less than was counted, also while it grows", () => {
    const sketch = new FrequencySketch();
    sketch.ensure(512);
    for (let i = 0; i < 200; i++) for (let n = 0; n <= i % 20; n++) sketch.increment(hash(`k${i}`));
    for (const entries of [512, 1000, 5000]) {
      sketch.ensure(entries);
      for (let i = 0; i < 200; i++)
        expect(sketch.frequency(hash(`k${i}`))).toBeGreaterThanOrEqual(Math.min(15, (i % 20) + 1));
    }
  });

  test("is right about most of what it holds", () => {
    const sketch = new FrequencySketch();
    sketch.ensure(1024);
    for (let i = 0; i < 1000; i++) for (let n = 0; n <= i % 5; n++) sketch.increment(hash(`k${i}`));
    const wrong = Array.from({ length: 1000 }, (_, i) => sketch.frequency(hash(`k${i}`)) - (i % 5) - 1).filter(
      (by) => by > 0,
    );
    expect(wrong.length).toBeLessThan(100);
    const unknown = Array.from({ length: 1000 }, (_, i) => sketch.frequency(hash(`unknown${i}`))).filter(
      (count) => count > 2,
    );
    expect(unknown.length).toBeLessThan(50);
  });

  test("forgets: after many other uses a count is halved again and again", () => {
    const sketch = new FrequencySketch();
    for (let i = 0; i < 15; i++) sketch.increment(hash("hot"));
    expect(sketch.frequency(hash("hot"))).toBe(15);
    for (let i = 0; i < 5000; i++) sketch.increment(hash(`other${i % 60}`));
    expect(sketch.frequency(hash("hot"))).toBeLessThanOrEqual(4);
  });
});
