import type { Backend, BackendContext } from "../../src/backends/backend.js";
import { KeyRing, transformed } from "../../src/backends/transform/index.js";
import type { Clock } from "../../src/clock.js";
import type { Harness } from "../contract/harness.js";
import { withValueSizes } from "./value-sizes.js";

const keys = new KeyRing([{ id: "k1", key: Buffer.alloc(32, 7) }]);

/** Header, key id, and nonce and tag of one message, or salt and the tags of segments. */
const encryptedSize = (bytes: number) =>
  bytes <= 262_144 ? bytes + 24 + 2 + 8 + 12 + 16 : bytes + 24 + 2 + 8 + 16 + 16 * Math.ceil(bytes / 65_536);

/** A harness over what opens a store, with its values compressed and encrypted. */
export function transformedHarness(
  clock: Clock,
  openStore: (context: BackendContext) => Backend | Promise<Backend>,
  time: Pick<Harness, "advance" | "shortTtl" | "deadlineTolerance">,
): Harness {
  const opened: Backend[] = [];
  return {
    ...time,
    clock,
    async open(namespace = "", { readOnly = false } = {}) {
      const context = { namespace, clock, emit: () => {}, readOnly };
      const options = { namespace, compression: { algorithm: "brotli" }, encryption: { keys } } as const;
      const backend = transformed(await openStore(context), options, context);
      opened.push(backend);
      return withValueSizes(backend, encryptedSize);
    },
    async dispose() {
      await Promise.all(opened.map((backend) => backend.close()));
    },
  };
}
