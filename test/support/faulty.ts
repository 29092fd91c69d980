import type { Backend } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";

/**
 * What happens to a call: `before`, it fails and nothing was done; `after`, it fails when all was done; `late`, it fails, and is done some time later, as when a
 * request outlives the wait for its answer.
 */
export type Fault = "none" | "before" | "after" | "late";

export interface Disturbance {
  /** Waited for before a call reaches the store, before its answer comes back, and before a page of the log does. */
  pause(label: string): Promise<void>;
  /** Asked for every call that changes the store. */
  faultOf?(): Fault;
  /** Told of calls that go on after they have failed. */
  onLate?(work: Promise<unknown>): void;
}

const READS = new Set(["getMany", "position", "openRead", "lease"]);
const CHANGES = new Set(["setMany", "touchMany", "deleteMany", "deleteWhere", "atomic", "commit", "announce"]);

const failure = () => new CacheError("connection", "cut", "the connection was cut");

/** A backend on a way that is slow and fails. */
export function faulty(inner: Backend, { pause, faultOf, onLate }: Disturbance): Backend {
  const call = async (name: string, act: () => unknown): Promise<unknown> => {
    const fault = CHANGES.has(name) ? (faultOf?.() ?? "none") : "none";
    await pause(`${name} goes`);
    if (fault === "before") throw failure();
    if (fault === "late") {
      onLate?.(pause(`${name} is late`).then(act));
      throw failure();
    }
    const answer = await act();
    await pause(`${name} comes`);
    if (fault === "after") throw failure();
    return answer;
  };
  async function* changes(...[after, signal]: Parameters<Backend["changes"]>): ReturnType<Backend["changes"]> {
    for await (const page of inner.changes(after, signal)) {
      if (page.changes.length > 0) await pause("a page of the log comes");
      yield page;
    }
  }
  return new Proxy(inner, {
    get(target, property) {
      if (property === "changes") return changes;
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      const act = (args: unknown[]) => Reflect.apply(value, target, args);
      if (typeof property === "string" && (READS.has(property) || CHANGES.has(property))) {
        return (...args: unknown[]) => call(property, () => act(args));
      }
      return (...args: unknown[]) => act(args);
    },
  });
}
