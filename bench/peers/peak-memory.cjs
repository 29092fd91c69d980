// Loaded before a program with --require: when it ends, notes the most memory that it ever had (VmHWM, kB) in the file PEAK_MEMORY_FILE.
const { readFileSync, writeFileSync } = require("node:fs");

process.once("exit", () => {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  writeFileSync(process.env.PEAK_MEMORY_FILE, peak[1]);
});
