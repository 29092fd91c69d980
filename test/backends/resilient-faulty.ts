import type { Backend } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";

type Method = keyof Backend;

/** What a call does instead of going through: throws what is given, or is answered by what a function gives. */
type Fault = Error | (() => unknown);

export interface Faulty {
  backend: Backend;
  /** Calls by name, faults included. */
  calls: Record<string, number>;
  /** Decides about every call; undefined = it goes through. */
  fault: (method: string, args: readonly unknown[]) => Fault | undefined;
}

/** A real backend some of whose calls go wrong, as the test says. */
export function faulty(inner: Backend): Faulty {
  const found: Faulty = { backend: inner as Backend, calls: {}, fault: () => undefined };
  found.backend = new Proxy(inner as Backend, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name, target);
      if (typeof name !== "string" || typeof own !== "function") {
        if (typeof name !== "string" || own !== undefined || !PARTS.includes(name as Method)) return own;
      }
      return (...args: unknown[]) => {
        found.calls[name] = (found.calls[name] ?? 0) + 1;
        const fault = found.fault(name, args);
        if (fault instanceof Error) throw fault;
        if (fault !== undefined) return ITERABLES.includes(name as Method) ? pagesOf(fault()) : fault();
        if (typeof own !== "function") throw new Error(`this store has no ${name}`);
        return own.apply(target, args);
      };
    },
  });
  return found;
}

const ITERABLES: readonly Method[] = ["scan", "changes"];

/** What stands for a page that comes never or fails is put where a page would be. */
function pagesOf(answer: unknown): unknown {
  return answer instanceof Promise ? { [Symbol.asyncIterator]: () => ({ next: () => answer }) } : answer;
}

/** What a test may answer by itself, whether the store has it or not. */
const PARTS: readonly Method[] = [
  "lease",
  "renew",
  "release",
  "commit",
  "atomic",
  "announce",
  "position",
  "changes",
  "openRead",
  "openWrite",
  "hottest",
];

export const unreachable = (code = "store-unreachable") => new CacheError("connection", code, "nothing listens there");

export const never = () => new Promise<never>(() => {});
