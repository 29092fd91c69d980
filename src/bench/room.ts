import type { BackendInfo } from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { formatSize } from "../units.js";
import type { Need } from "./plan.js";

/** What a server keeps besides the bytes of a value: its key, its deadline, its tables. */
const SERVER_BYTES_PER_ENTRY = 256;

/**
 * Refuses to measure a store that would make room for what is measured by dropping what is others'.
 * @param whole what the store says of itself, of all namespaces together
 * @throws CacheError `bench-no-room`
 */
export function checkRoom(name: string, whole: BackendInfo, need: Need): void {
  // What tiers above the last one drop are copies.
  const { facts, entries = 0, bytes = 0 } = whole.tiers?.at(-1) ?? whole;
  const number = (...names: string[]) => {
    const found = names.map((fact) => facts[fact]).find((fact) => fact !== undefined);
    return typeof found === "number" ? found : undefined;
  };
  const maxEntries = number("max_entries", "maxEntries");
  if (maxEntries !== undefined && entries + need.entries > maxEntries)
    throw noRoom(name, `holds ${entries} of ${maxEntries} entries`, `${need.entries} more`);
  const maxBytes = number("max_bytes", "maxBytes");
  const usedBytes = number("usedBytes") ?? bytes;
  if (maxBytes !== undefined && usedBytes + need.bytes > maxBytes)
    throw noRoom(name, `holds ${formatSize(usedBytes)} of ${formatSize(maxBytes)}`, formatSize(need.bytes));
  const maxMemory = number("maxmemory") ?? 0;
  const used = number("used_memory") ?? 0;
  const wanted = need.bytes + need.entries * SERVER_BYTES_PER_ENTRY;
  if (maxMemory > 0 && used + wanted > maxMemory)
    throw noRoom(name, `uses ${formatSize(used)} of ${formatSize(maxMemory)}`, formatSize(wanted));
}

function noRoom(name: string, holds: string, more: string): CacheError {
  return new CacheError("usage", "bench-no-room", `${name} ${holds}, and would drop what is there for ${more}`, {
    hint: "Give fewer --keys or a smaller --value-size, or measure another store.",
  });
}
