import { describe, expect, onTestFinished, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { recordBytes, type Slab, Slabs, type Tenant } from "../../src/backends/memory/slabs.js";
import { systemClock } from "../../src/clock.js";
import { randomOf } from "../cache/interleaving.js";

const SLAB_BYTES = 65_536;
const NONE = new Uint8Array(0);

/** Bytes that another seed's differ from. */
function pattern(seed: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(seed % 251);
}

function tenant(slot: number, size: number): Tenant {
  return { slab: undefined, at: 0, size, metaSize: 0, slot };
}

describe("slabs", () => {
  test("what is nobody's any more takes little beside what is, however entries come and go", () => {
    const tenants = new Map<number, Tenant>();
    const slabs = new Slabs((slot) => tenants.get(slot));
    const random = randomOf(1);
    for (let i = 0; i < 10_000; i++) {
      const slot = Math.floor(random() * 500);
      const old = tenants.get(slot);
      const next = tenant(slot, 300 + Math.floor(random() * 3000));
      slabs.place(next, new Uint8Array(next.size), undefined);
      tenants.set(slot, next);
      slabs.mark(next);
      if (old) slabs.release(old.slab, old.size);
    }
    const held = new Set<Slab | undefined>();
    let live = 0;
    for (const { slab, size } of tenants.values()) {
      held.add(slab);
      live += recordBytes(size);
    }
    // The last slab is being filled.
    expect((held.size - 1) * SLAB_BYTES).toBeLessThan(live / 0.7 + SLAB_BYTES);
  });

  test("one entry that stays between many that go at once does not hold their slabs", () => {
    const tenants = new Map<number, Tenant>();
    const slabs = new Slabs((slot) => tenants.get(slot));
    const put = (slot: number) => {
      const old = tenants.get(slot);
      const next = tenant(slot, 1000);
      slabs.place(next, new Uint8Array(1000), undefined);
      tenants.set(slot, next);
      slabs.mark(next);
      if (old) slabs.release(old.slab, old.size);
    };
    for (let slot = 1; slot <= 60; slot++) {
      put(slot);
      for (let i = 0; i < 100; i++) {
        put(0);
        const brief = tenants.get(0);
        tenants.delete(0);
        slabs.release(brief?.slab, 1000);
      }
    }
    expect(new Set([...tenants.values()].map(({ slab }) => slab)).size).toBeLessThanOrEqual(3);
  });
});

describe("entries in slabs", () => {
  test("one whose meta changes while its slab is left is moved once", () => {
    const backend = openMemory({ namespace: "", clock: systemClock, emit: () => {} });
    onTestFinished(() => backend.close());
    const keys = Array.from({ length: 43 }, (_, i) => `k${i}`);
    backend.setMany(keys.map((key, i) => ({ key, value: pattern(i, 1500) })));
    backend.deleteMany(keys.slice(0, 20));
    backend.touchMany([{ key: "k40", meta: pattern(7, 600) }]);
    expect(backend.contradictions()).toEqual([]);
    const [read] = backend.getMany(["k40"], { want: "copy" });
    expect(Buffer.compare(read?.value ?? NONE, pattern(40, 1500))).toBe(0);
    expect(Buffer.compare(read?.meta ?? NONE, pattern(7, 600))).toBe(0);
  });

  test.each([1, 2, 3, 4, 5, 6])(
    "have their own bytes and meta, whatever happens to others, and what was shown stays as it was: %i",
    (seed) => {
      const backend = openMemory({ namespace: "", clock: systemClock, emit: () => {}, maxEntries: 300 });
      onTestFinished(() => backend.close());
      const random = randomOf(seed);
      const given = new Map<string, { value: Uint8Array; meta: Uint8Array | undefined }>();
      const shown: { is: Uint8Array; was: Uint8Array }[] = [];
      const length = (most: number) => Math.floor(random() * most);
      for (let i = 0; i < 3000; i++) {
        const key = `k${length(400)}`;
        const what = random();
        if (what < 0.6) {
          const value = pattern(i, [200, 1500, 8192, 9000][length(4)] ?? 0);
          const meta = random() < 0.2 ? undefined : pattern(i + 1, 1 + length(300));
          backend.setMany([{ key, value, ...(meta && { meta }) }]);
          given.set(key, { value, meta });
        } else if (what < 0.75) {
          const meta = pattern(i, length(600));
          const [touched] = backend.touchMany([{ key, meta }]);
          const one = given.get(key);
          if (touched && one) one.meta = meta;
        } else if (what < 0.85) backend.deleteMany([key]);
        else {
          const one = backend.getEntry(key, ({ meta }) => meta);
          if (one) shown.push({ is: one.value, was: one.value.slice() });
          if (one) expect(Buffer.compare(one.head ?? NONE, given.get(key)?.meta ?? NONE)).toBe(0);
        }
        const [read] = backend.getMany([key], { want: "copy" });
        if (read) expect(Buffer.compare(read.value, given.get(key)?.value ?? NONE)).toBe(0);
        if (read) expect(Buffer.compare(read.meta ?? NONE, given.get(key)?.meta ?? NONE)).toBe(0);
        if (read) expect(read.meta === undefined).toBe(given.get(key)?.meta === undefined);
      }
      expect(shown.length).toBeGreaterThan(50);
      for (const { is, was } of shown) expect(Buffer.compare(is, was)).toBe(0);
      expect(backend.contradictions()).toEqual([]);
    },
  );
});
