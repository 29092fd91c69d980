// Loaded before a program with --require: once a second a line of JSON in the file WATCH_FILE: its memory in bytes, and by how many milliseconds its event loop was late at most.
const { appendFileSync } = require("node:fs");
const { monitorEventLoopDelay } = require("node:perf_hooks");

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
setInterval(() => {
  const { rss, heapUsed, external } = process.memoryUsage();
  appendFileSync(process.env.WATCH_FILE, `${JSON.stringify({ rss, heapUsed, external, late: delay.max / 1e6 })}\n`);
  delay.reset();
}, 1000).unref();
