// Loaded before a program with --require and --expose-gc: once a second a line of JSON in the file WATCH_FILE: its memory in bytes, and by how many milliseconds its event loop was late at
// most. Every 15 seconds what is garbage is collected first: `live` is what is left then.
const { appendFileSync } = require("node:fs");
const { monitorEventLoopDelay } = require("node:perf_hooks");

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
let seconds = 0;
setInterval(() => {
  const late = delay.max / 1e6;
  const collects = ++seconds % 15 === 0;
  if (collects) globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  const live = collects ? { live: heapUsed + external } : {};
  appendFileSync(process.env.WATCH_FILE, `${JSON.stringify({ rss, late, ...live })}\n`);
  delay.reset();
}, 1000).unref();
