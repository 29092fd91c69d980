import type { MemoryPolicy } from "../../backend.js";
import type { Policy, PolicyOptions } from "./policy.js";
import { Fifo, Lfu, Lru, SoonestDeadline } from "./simple.js";
import { WTinyLfu } from "./w-tinylfu.js";

const POLICIES: Record<MemoryPolicy, new (options: PolicyOptions) => Policy> = {
  lru: Lru,
  lfu: Lfu,
  fifo: Fifo,
  ttl: SoonestDeadline,
  "w-tinylfu": WTinyLfu,
};

export function openPolicy(name: MemoryPolicy, options: PolicyOptions): Policy {
  return new POLICIES[name](options);
}
