import { expect } from "vitest";
import { type MemoryBackend, type MemoryOptions, openMemory } from "../../src/backends/memory/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";

function memoryHarness(more: Partial<MemoryOptions> = {}) {
  const clock = new FakeClock();
  const opened: MemoryBackend[] = [];
  return {
    clock,
    async open(namespace = "", options: { readOnly?: boolean } = {}) {
      const backend = openMemory({ namespace, clock, emit: () => {}, maxEntries: 100_000, ...more, ...options });
      opened.push(backend);
      return backend;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    validate: () => expect(opened.flatMap((backend) => backend.contradictions())).toEqual([]),
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
}

describeBackend("memory", async () => memoryHarness());
