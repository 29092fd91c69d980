import fc from "fast-check";
import { expect } from "vitest";
import type { Backend, NewEntry, Stored } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { type Concerned, coverage } from "../../src/changes.js";
import { CacheError } from "../../src/errors.js";
import type { Selector } from "../../src/selector.js";
import { FakeClock } from "./fake-clock.js";
import { type Fault, faulty } from "./faulty.js";

const KEYS = ["a:1", "a:2", "b"];
const TAGS = ["t", "u"];

type Step =
  | { do: "read"; keys: string[]; want: "value" | "all" }
  | { do: "stream"; key: string }
  | { do: "write"; how: "set" | "load" | "pipe"; key: string; tags: string[] }
  | { do: "batch"; set: string; delete: string }
  | { do: "touch"; key: string }
  | { do: "delete"; key: string }
  | { do: "purge"; selector: Selector; soft: boolean };

/** Steps of one process, and the number of the process. */
interface Planned {
  at: number;
  step: Step;
}

const key = fc.constantFrom(...KEYS);
const tags = fc.subarray(TAGS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      keys: fc.subarray(KEYS, { minLength: 1 }),
      want: fc.constantFrom("value" as const, "all" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stream" as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      how: fc.constantFrom("set" as const, "load" as const, "pipe" as const),
      key,
      tags,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("batch" as const), set: key, delete: key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("touch", "delete"), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("purge" as const),
      selector: fc.constantFrom<Selector[]>(
        { tags: ["t"] },
        { tags: ["t", "u"], tagMode: "all" },
        { prefix: "a:" },
        { match: "*1" },
        { all: true },
        { keys: ["b"] },
      ),
      soft: fc.boolean(),
    }),
  },
);

export const plan: fc.Arbitrary<Planned[]> = fc.array(fc.record({ at: fc.nat({ max: 1 }), step }), {
  minLength: 2,
  maxLength: 9,
});

/** What goes wrong in the lowest store and in the one in the middle, call by call. */
export const faults: fc.Arbitrary<Fault[]> = fc.array(
  fc.constantFrom<Fault[]>("none", "none", "none", "none", "before", "after", "late"),
  { maxLength: 12 },
);

/** A change that has ended. */
interface Done {
  at: number;
  began: number;
  ended: number;
  covers: (entry: Concerned) => boolean;
}

/**
 * Two processes with a memory of their own, and one of them with another store in between, over one store; all calls take as long as the scheduler says. At the end no tier may hold
 * anything but what the lowest holds; and on the way no process may read what it has replaced or deleted itself.
 * @param warm begin with copies of every key in every tier
 * @returns reads that were checked
 */
export async function runHistory(
  scheduler: fc.Scheduler,
  steps: readonly Planned[],
  lowestFaults: readonly Fault[],
  middleFaults: readonly Fault[],
  warm: boolean,
): Promise<number> {
  const clock = new FakeClock();
  const context = { namespace: "", clock, emit: () => {}, sweepMs: 0 };
  const late: Promise<unknown>[] = [];
  let disturbed = false;
  const pause = async (label: string) => {
    if (disturbed) await scheduler.schedule(Promise.resolve(), label);
  };
  const disturb = (backend: Backend, given: readonly Fault[]) => {
    let calls = 0;
    return faulty(backend, {
      pause,
      faultOf: () => (disturbed ? (given[calls++] ?? "none") : "none"),
      onLate: (work) => late.push(work),
    });
  };
  const lowest = openMemory(context);
  const stacks = [0, 1].map((at) => {
    const memory = openMemory(context);
    const middle = openMemory(context);
    const between = at === 0 ? [{ name: "middle", backend: disturb(middle, middleFaults) }] : [];
    const tiers = [
      { name: "memory", backend: memory },
      ...between,
      { name: "lowest", backend: disturb(lowest, lowestFaults) },
    ];
    return { backend: openTiered(tiers, context), uppers: at === 0 ? [memory, middle] : [memory] };
  });
  const at = (process: number) => {
    const stack = stacks[process];
    if (!stack) throw new Error(`there is no process ${process}`);
    return stack.backend;
  };
  const run = new Run();
  if (warm) {
    await quiet(clock);
    for (const name of KEYS) {
      await run.perform(at(0), 0, { do: "write", how: "set", key: name, tags: TAGS }, `first ${name}`);
    }
    await quiet(clock);
    for (const number of [0, 1]) await run.perform(at(number), number, { do: "read", keys: KEYS, want: "value" }, "");
  }
  disturbed = true;
  const commands = steps.map(({ at: process, step: planned }, i) =>
    scheduler.schedule(Promise.resolve(), `${i}: ${process} does ${JSON.stringify(planned)}`).then(async () => {
      await run.perform(at(process), process, planned, `${i}`);
    }),
  );
  await scheduler.waitFor(Promise.all(commands));
  disturbed = false;
  await scheduler.waitIdle();
  await Promise.all(late);
  await scheduler.waitIdle();
  await quiet(clock);
  const current = await lowest.getMany(KEYS, { peek: true, want: "copy" });
  const texts = current.map(textOf);
  for (const { backend, uppers } of stacks) {
    for (const upper of uppers) {
      for (const [i, copy] of upper.getMany(KEYS, { peek: true, want: "copy" }).entries()) {
        const held = textOf(copy);
        if (held !== undefined) expect({ key: KEYS[i], held }).toEqual({ key: KEYS[i], held: texts[i] });
      }
    }
    const read = await backend.getMany(KEYS, { want: "copy" });
    expect(read.map(textOf)).toEqual(texts);
  }
  for (const { backend } of stacks) await backend.close();
  return run.reads;
}

/** Value and meta. */
function textOf(entry: Stored | undefined): string | undefined {
  return entry && `${Buffer.from(entry.value)} ${Buffer.from(entry.meta ?? [])}`;
}

/** Until nothing goes on by itself any more: what failed is tried again as time passes. */
async function quiet(clock: FakeClock): Promise<void> {
  for (let i = 0; i < 8; i++) {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(250);
  }
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Performs steps, and checks what is read against what the same process had done before. */
class Run {
  reads = 0;
  #time = 0;
  readonly #done: Done[] = [];
  /** Of every value, when its writing had ended, and what it was written as. */
  readonly #values = new Map<string, { ended: number; entry: NewEntry }>();

  async perform(backend: Backend, at: number, planned: Step, name: string): Promise<void> {
    try {
      await this.#perform(backend, at, planned, name);
    } catch (error) {
      if (!(error instanceof CacheError) || error.code !== "cut") throw error;
    }
  }

  async #perform(backend: Backend, at: number, planned: Step, name: string): Promise<void> {
    if (planned.do === "read") {
      const began = ++this.#time;
      const found = await backend.getMany(planned.keys, { want: planned.want });
      for (const [i, entry] of found.entries()) if (entry) this.#check(at, began, planned.keys[i] ?? "", entry.value);
    } else if (planned.do === "stream") {
      const began = ++this.#time;
      const reader = await backend.openRead(planned.key);
      for await (const piece of reader?.body ?? []) this.#check(at, began, planned.key, piece);
      reader?.close();
    } else if (planned.do === "purge") {
      await this.#change(at, planned.selector, () => backend.deleteWhere(planned.selector, { soft: planned.soft }));
    } else if (planned.do === "batch") {
      const entry = { key: planned.set, value: Buffer.from(name) };
      const steps = [{ delete: planned.delete }, { set: entry }];
      await this.#write(at, entry, async () => {
        await backend.atomic(steps);
        return true;
      });
    } else if (planned.do === "touch") {
      await backend.touchMany([{ key: planned.key, expiresAt: null, meta: Buffer.from(name) }]);
    } else if (planned.do === "delete") {
      await this.#change(at, { keys: [planned.key] }, () => backend.deleteMany([planned.key]));
    } else {
      const entry = { key: planned.key, value: Buffer.from(name), tags: planned.tags };
      await this.#write(at, entry, () => this.#store(backend, planned.how, entry));
    }
  }

  /** @returns true if it was stored */
  async #store(backend: Backend, how: "set" | "load" | "pipe", entry: NewEntry): Promise<boolean> {
    if (how === "set") return (await backend.setMany([entry]))[0] === "stored";
    if (how === "pipe") {
      const writer = await backend.openWrite({ key: entry.key, ...(entry.tags && { tags: entry.tags }) });
      await writer.write(entry.value);
      return (await writer.commit()) === "stored";
    }
    const [there] = await backend.getMany([entry.key], { want: "all" });
    const answer = await backend.lease(entry.key, 60_000, there?.version === undefined ? {} : { over: there.version });
    return answer.outcome === "taken" && backend.commit(entry, answer.lease);
  }

  async #write(at: number, entry: NewEntry, act: () => Promise<boolean>): Promise<void> {
    const value = Buffer.from(entry.value).toString();
    const written = { ended: Number.POSITIVE_INFINITY, entry };
    this.#values.set(value, written);
    const began = ++this.#time;
    if (!(await act())) return;
    written.ended = ++this.#time;
    const covers = coverage({ keys: [entry.key] });
    this.#done.push({ at, began, ended: written.ended, covers });
  }

  async #change(at: number, selector: Selector, act: () => unknown): Promise<void> {
    const began = ++this.#time;
    await act();
    this.#done.push({ at, began, ended: ++this.#time, covers: coverage(selector) });
  }

  #check(at: number, began: number, name: string, value: Uint8Array): void {
    this.reads += 1;
    const text = Buffer.from(value).toString();
    const written = this.#values.get(text);
    if (!written) throw new Error(`${name} has the value ${text}, which nobody wrote`);
    const { entry, ended } = written;
    const concerned = { key: entry.key, tags: entry.tags ?? [] };
    const over = this.#done.find(
      (done) => done.at === at && done.began > ended && done.ended < began && done.covers(concerned),
    );
    if (over) throw new Error(`${name} was read as ${text}, which was over before`);
  }
}
