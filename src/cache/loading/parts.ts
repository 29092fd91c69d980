import type { Backend } from "../../backends/backend.js";
import type { ChangeWindow } from "../../change-window.js";
import type { Clock } from "../../clock.js";
import type { Codec } from "../codec.js";
import type { LoadCounts } from "../options.js";
import type { Tally } from "../tally.js";
import type { StoreFaults } from "./store-faults.js";

/** What reading through works with: parts of one cache. */
export interface LoadParts {
  backend: Backend;
  clock: Clock;
  window: ChangeWindow;
  tally: Tally;
  counts: LoadCounts;
  faults: StoreFaults;
  codec: Codec;
  defaultTtl: number | null;
  readOnly: boolean;
  random: () => number;
  /** Removes an entry whose bytes don't decode. */
  discard: (key: string, bytes: Uint8Array, error: unknown) => Promise<void>;
}
