import { type MemoryBackend, openMemory } from "../../src/backends/memory/index.js";
import { KeyRing, type TransformOptions, transformed } from "../../src/backends/transform/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { withValueSizes } from "../support/value-sizes.js";

const keys = new KeyRing([{ id: "k1", key: Buffer.alloc(32, 7) }]);

/** Header, key id, and nonce and tag of one message, or salt and the tags of segments. */
const encryptedSize = (bytes: number) =>
  bytes <= 262_144 ? bytes + 24 + 2 + 12 + 16 : bytes + 24 + 2 + 16 + 16 * Math.ceil(bytes / 65_536);

const SETTINGS: Record<string, { options: Omit<TransformOptions, "namespace">; size: (bytes: number) => number }> = {
  "compressed and encrypted": {
    options: { compression: { algorithm: "brotli" }, encryption: { keys } },
    size: encryptedSize,
  },
};

for (const [name, { options, size }] of Object.entries(SETTINGS)) {
  describeBackend(
    `memory, ${name}`,
    async () => {
      const clock = new FakeClock();
      const opened: MemoryBackend[] = [];
      return {
        clock,
        async open(namespace = "", { readOnly = false } = {}) {
          const context = { namespace, clock, emit: () => {}, readOnly };
          const memory = openMemory({ ...context, maxEntries: 100_000 });
          opened.push(memory);
          return withValueSizes(transformed(memory, { ...options, namespace, readOnly }, context), size);
        },
        advance: (ms) => clock.advance(ms),
        shortTtl: 1000,
        deadlineTolerance: 0,
        async dispose() {
          for (const backend of opened) await backend.close();
        },
      };
    },
    { full: true },
  );
}
