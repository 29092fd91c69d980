import type { Backend } from "../../src/backends/backend.js";
import { type MemoryBackend, openMemory } from "../../src/backends/memory/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { entry, type Harness } from "../contract/harness.js";
import { FakeClock } from "./fake-clock.js";
import { until } from "./until.js";

/** Time that a test moves. Who sleeps is woken by that, or when so much of real time has passed: so that a log is looked into again while the test waits. */
export class SteppedClock extends FakeClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const end = signal ? AbortSignal.any([signal, woken.signal]) : woken.signal;
    await Promise.race([super.sleep(ms, end), systemClock.sleep(ms, end)]);
    woken.abort();
  }
}

interface Below {
  clock: Clock;
  open(namespace: string, readOnly?: boolean): Promise<Backend>;
  more: Partial<Harness>;
  after?(): Promise<unknown>;
}

const MARK = entry("heard of what came before this");

/** A memory tier over whatever is opened below it. */
export function memoryOver({ clock, open, more, after }: Below): Harness {
  const opened: Backend[] = [];
  const memories: MemoryBackend[] = [];
  const elsewhere = new Map<string, Promise<Backend>>();
  /** The suite reads what another connection wrote at once. Tiers obey it as soon as they hear of it: this waits for that. */
  async function heard(backend: Backend, memory: MemoryBackend, namespace: string): Promise<void> {
    if (opened.length < 2 || !backend.capabilities.persistent) return;
    const other = elsewhere.get(namespace) ?? open(namespace);
    elsewhere.set(namespace, other);
    memory.setMany([MARK]);
    await (await other).announce("write", { keys: [MARK.key] });
    await until(() => memory.getMany([MARK.key], { peek: true })[0] === undefined);
  }
  return {
    clock,
    async open(namespace = "", { readOnly = false } = {}) {
      const memory = openMemory({ namespace, clock, emit: () => {}, maxEntries: 10_000 });
      memories.push(memory);
      const tiers = [
        { name: "memory", backend: memory },
        { name: "lowest", backend: await open(namespace, readOnly) },
      ];
      const backend = openTiered(tiers, { clock, emit: () => {}, readOnly, namespace });
      opened.push(backend);
      const { getMany, openRead } = backend;
      return Object.assign(backend, {
        async getMany(...args: Parameters<Backend["getMany"]>) {
          if (!readOnly) await heard(backend, memory, namespace);
          return getMany.apply(backend, args);
        },
        async openRead(...args: Parameters<Backend["openRead"]>) {
          if (!readOnly) await heard(backend, memory, namespace);
          return openRead.apply(backend, args);
        },
      });
    },
    advance: (ms) => (clock instanceof FakeClock ? clock.advance(ms) : clock.sleep(ms + 5)),
    shortTtl: 1000,
    deadlineTolerance: 0,
    async dispose() {
      for (const backend of [...opened, ...(await Promise.all(elsewhere.values()))]) await backend.close();
      await after?.();
    },
    ...more,
    async validate() {
      const found = memories.flatMap((memory) => memory.contradictions());
      if (found.length > 0) throw new Error(found.join("; "));
      await more.validate?.();
    },
  };
}
