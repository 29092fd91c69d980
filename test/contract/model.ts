import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Backend, NewEntry, SetMode } from "../../src/backends/backend.js";
import { compileFilter, type Filter } from "../../src/selector.js";
import { type Current, type Harness, HOSTILE_KEYS, put } from "./harness.js";

interface ModelEntry {
  value: string;
  expiresAt?: number;
  tags: readonly string[];
}

/** The store as a plain map: what has expired is dropped before each step. */
type Model = Map<string, ModelEntry>;

interface Real {
  backend: Backend;
  harness: Harness;
}

type Command = fc.AsyncCommand<Model, Real>;

/** Few keys and tags, so that commands meet; some of them begin with others. */
const KEYS = ["a", "a:", "a:b", "ab", "a[bc]", "a*", "%", "_", "\uffff", "😀", ...HOSTILE_KEYS.slice(-3)];
const TAGS = ["t", "t*", "u"];
const HOUR = 3_600_000;

const key = fc.constantFrom(...KEYS);
const tags = fc.subarray(TAGS);

function drop(model: Model, now: number): void {
  for (const [k, e] of model) if (e.expiresAt !== undefined && e.expiresAt <= now) model.delete(k);
}

/** A command as a step on both; `toString` is what fast-check prints for a failing run. */
function command(label: string, step: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      drop(model, real.harness.clock.now());
      await step(model, real);
    },
    toString: () => label,
  };
}

interface Write {
  key: string;
  value: string;
  /** Milliseconds from now; null = never. */
  ttl: number | null;
  keep: boolean;
  tags: readonly string[];
}

function setCommand(writes: readonly Write[], mode: SetMode): Command {
  return command(`set ${mode} ${JSON.stringify(writes)}`, async (model, { backend, harness }) => {
    const now = harness.clock.now();
    const entries = writes.map(
      (write): NewEntry => ({
        key: write.key,
        value: Buffer.from(write.value),
        tags: write.tags,
        ...(write.keep && { keepDeadline: true }),
        ...(write.ttl !== null && { expiresAt: now + write.ttl }),
      }),
    );
    const expected = writes.map((write) => {
      const old = model.get(write.key);
      if (mode !== "always" && (mode === "if-present") !== (old !== undefined)) return "condition";
      const given = write.ttl === null ? undefined : now + write.ttl;
      const expiresAt = write.keep && old ? old.expiresAt : given;
      model.set(write.key, { value: write.value, tags: write.tags, ...(expiresAt !== undefined && { expiresAt }) });
      return "stored";
    });
    expect(await backend.setMany(entries, { mode })).toEqual(expected);
  });
}

const getCommand = (keys: readonly string[]) =>
  command(`get ${JSON.stringify(keys)}`, async (model, { backend, harness }) => {
    const stored = await backend.getMany(keys, { want: "all" });
    for (const [i, k] of keys.entries()) expectSame(k, model.get(k), stored[i], harness);
  });

function expectSame(
  k: string,
  want: ModelEntry | undefined,
  got: Awaited<ReturnType<Backend["getMany"]>>[number],
  harness: Harness,
) {
  const tolerance = harness.deadlineTolerance;
  const near = got?.expiresAt !== undefined && Math.abs(got.expiresAt - (want?.expiresAt ?? Number.NaN)) <= tolerance;
  expect({
    key: k,
    value: got && Buffer.from(got.value).toString(),
    tags: [...(got?.tags ?? [])].sort(),
    expiresAt: near ? want?.expiresAt : got?.expiresAt,
  }).toEqual({ key: k, value: want?.value, tags: [...(want?.tags ?? [])].sort(), expiresAt: want?.expiresAt });
}

const deleteCommand = (keys: readonly string[]) =>
  command(`delete ${JSON.stringify(keys)}`, async (model, { backend }) => {
    const expected = keys.map((k) => model.delete(k));
    expect(await backend.deleteMany(keys)).toEqual(expected);
  });

const touchCommand = (k: string, ttl: number | null) =>
  command(`touch ${JSON.stringify(k)} ${ttl}`, async (model, { backend, harness }) => {
    const expiresAt = ttl === null ? null : harness.clock.now() + ttl;
    const old = model.get(k);
    expect(await backend.touchMany([{ key: k, expiresAt }])).toEqual([old !== undefined]);
    if (!old) return;
    if (expiresAt === null) delete old.expiresAt;
    else old.expiresAt = expiresAt;
  });

const deleteWhereCommand = (filter: Filter) =>
  command(`deleteWhere ${JSON.stringify(filter)}`, async (model, { backend, harness }) => {
    const holds = compileFilter(filter, () => harness.clock.now());
    const doomed = [...model].filter(([k, e]) => holds({ key: k, size: Buffer.byteLength(e.value), ...e }));
    for (const [k] of doomed) model.delete(k);
    expect(await backend.deleteWhere(filter)).toMatchObject({ deleted: doomed.length, complete: true });
  });

const scanCommand = () =>
  command("scan", async (model, { backend }) => {
    const seen = new Set<string>();
    for await (const page of backend.scan({ all: true })) for (const info of page.entries) seen.add(info.key);
    expect([...seen].sort()).toEqual([...model.keys()].sort());
  });

const advanceCommand = (ms: number) =>
  command(`advance ${ms}`, async (model, { harness }) => {
    await harness.advance(ms);
    drop(model, harness.clock.now());
  });

function commandsFor(harness: Harness) {
  // Where time is real only deadlines that a run never reaches are exact; expiry has tests of its own.
  const fake = harness.deadlineTolerance === 0;
  const ttl = fake ? fc.constantFrom(null, 500, 1000, 5000, HOUR) : fc.constantFrom(null, HOUR, 2 * HOUR);
  const write = fc.record({ key, value: fc.string({ maxLength: 20 }), ttl, keep: fc.boolean(), tags });
  const filter = fc.oneof<fc.Arbitrary<Filter>[]>(
    fc.record({ prefix: fc.constantFrom("a", "a:", "a[", "%", "\uffff") }),
    fc.record({ match: fc.constantFrom("a*", "?", "a[bc]", "a\\[*", "[^a]*") }),
    fc.record({ tags: fc.subarray(TAGS, { minLength: 1 }), tagMode: fc.constantFrom("any" as const, "all" as const) }),
    fc.record({ prefix: fc.constantFrom("a", ""), tags: fc.subarray(TAGS, { minLength: 1 }) }),
    fc.record({ minSize: fc.integer({ min: 0, max: 20 }) }),
    fc.constant({ expiry: "none" as const }),
  );
  const mode = fc.constantFrom<SetMode[]>("always", "always", "if-absent", "if-present");
  return fc.commands<Model, Real, false>(
    [
      fc.tuple(fc.array(write, { minLength: 1, maxLength: 4 }), mode).map(([writes, m]) => setCommand(writes, m)),
      fc.array(key, { maxLength: 4 }).map(getCommand),
      fc.array(key, { maxLength: 3 }).map(deleteCommand),
      fc.tuple(key, ttl).map(([k, ms]) => touchCommand(k, ms)),
      filter.map(deleteWhereCommand),
      fc.constant(scanCommand()),
      ...(fake ? [fc.constantFrom(1, 499, 500, 1000, 4000).map(advanceCommand)] : []),
    ],
    { size: "large", maxCommands: 40 },
  );
}

export function describeModel(current: Current): void {
  describe("model", () => {
    // A failing run prints its seed and path; give them to fc.assert to see it again.
    test("any sequence of calls gives what a plain map gives", { timeout: 120_000 }, async () => {
      const harness = current();
      const backend = await harness.open();
      const numRuns = harness.deadlineTolerance === 0 ? 150 : 60;
      const property = fc.asyncProperty(commandsFor(harness), async (commands) => {
        await backend.deleteWhere({ all: true });
        await fc.asyncModelRun(() => ({ model: new Map() as Model, real: { backend, harness } }), commands);
        await harness.validate?.();
      });
      await fc.assert(property, { numRuns });
      await put(backend, "still usable");
    });
  });
}
