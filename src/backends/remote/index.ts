import type { Backend, BackendContext } from "../backend.js";
import { Answer } from "./answers.js";
import { RemoteBackend } from "./backend.js";
import { Transport, type TransportOptions } from "./transport.js";

export interface RemoteOptions extends BackendContext, Omit<TransportOptions, "timeoutMs"> {
  /** One tier of the server alone. */
  tier?: string;
  /** Milliseconds without a byte from the server after which a call has failed; default 30,000. */
  timeoutMs?: number;
}

/**
 * Opens the cache that a `cache serve` holds, by the address of its admin port.
 * @throws CacheError of kind `usage` (address, tier), `authentication`, `connection` or `timeout`
 */
export async function openRemote({ timeoutMs = 30_000, ...options }: RemoteOptions): Promise<Backend> {
  const transport = new Transport({ ...options, timeoutMs });
  try {
    const tier = options.tier === undefined ? {} : { tier: options.tier };
    const about = new Answer(await transport.call("/v1/store/about", tier, options.signal));
    const backend = new RemoteBackend(transport, options, about);
    if (!about.flag("readsForeign")) return backend;
    // That part is found by looking whether it is there.
    return Object.assign(backend, { readForeign: backend.foreign.bind(backend) });
  } catch (error) {
    transport.close();
    throw error;
  }
}
