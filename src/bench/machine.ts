import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { PerformanceObserver } from "node:perf_hooks";
import type { Machine } from "./report.js";

/** Looks at the machine from now on. @returns what was seen of it until it is called */
export function watchMachine(): () => Machine {
  const before = loadOfMinute();
  const gc = { count: 0, ms: 0 };
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gc.count += 1;
      gc.ms += duration;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => {
    observer.disconnect();
    return {
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      platform: `${process.platform}-${process.arch}`,
      node: process.version,
      load: [before, loadOfMinute()],
      gc,
    };
  };
}

function loadOfMinute(): number {
  return loadavg()[0] ?? 0;
}
