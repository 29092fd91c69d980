// A program that forgets to stop its monitor, and to close its cache.
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock } from "../../src/clock.js";

const backend = openMemory({ namespace: "", clock: systemClock, emit: () => {} });
const cache = new Cache(backend, { clock: systemClock });
cache.monitor({ interval: 3_600_000, onSample: () => process.stdout.write("sample ") });
