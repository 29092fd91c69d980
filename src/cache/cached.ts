import type { DeleteReport } from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { CALLBACK, CHECKED_ELSEWHERE, checkOptions, type Forms } from "../option-checks.js";
import type { Selection } from "../selector.js";
import { generateKey } from "./keys.js";
import { LOAD, type Loader, type LoadOptions } from "./loading/options.js";
import type { CallOptions } from "./options.js";

/** What remembering functions needs of a cache. */
export interface ReadingThrough {
  getOrSet<T>(key: string, loader: Loader<T>, options?: LoadOptions<T>): Promise<T | undefined>;
  delete(key: string, options?: CallOptions): Promise<boolean>;
}

/** What holds for every call of a function that remembers. */
export interface CachedOptions<Args extends unknown[], R> extends Omit<LoadOptions<R>, "signal"> {
  /** What its keys begin with, followed by `:`. Functions with the same prefix and arguments share their values. */
  prefix: string;
  /**
   * What is behind the prefix: a string as it is, anything else hashed as {@link generateKey} does. Default: all arguments, hashed. An instance whose method
   * is cached is no argument: where results depend on it, this must say so.
   */
  key?: (...args: Args) => unknown;
}

const { signal: _, ...OF_LOADS } = LOAD;
const OPTIONS: Forms<CachedOptions<never[], unknown>> = { ...OF_LOADS, prefix: CHECKED_ELSEWHERE, key: CALLBACK };

/** A function that remembers. */
export interface Cached<This, Args extends unknown[], R> {
  (this: This, ...args: Args): Promise<R>;
  /** The key of the value for these arguments. */
  key(...args: Args): string;
  /** Forgets the value for these arguments; true if there was one. A load of it that is under way is not kept. */
  invalidate(...args: Args): Promise<boolean>;
}

type Method<This, Args extends unknown[], R> = (this: This, ...args: Args) => R;

/**
 * The function with its results kept in the cache. A result of `undefined` is not kept, unless there is a `negativeTtl`.
 * @throws CacheError `invalid-prefix`; a call: what `getOrSet` and `generateKey` throw, and `invalid-key` for a `key` that gives an empty string
 */
function cachedFunction<This, Args extends unknown[], R>(
  cache: ReadingThrough,
  fn: Method<This, Args, R>,
  options: CachedOptions<Args, Awaited<R>>,
): Cached<This, Args, Awaited<R>> {
  checkOptions("a cached function", options, OPTIONS);
  const { prefix, key: given, ...rest } = options;
  if (typeof prefix !== "string" || prefix === "") {
    throw new CacheError("usage", "invalid-prefix", "a cached function needs a prefix for its keys", {
      hint: "Give it one of its own: functions that share a prefix share their values.",
    });
  }
  const keyOf = (...args: Args): string => {
    if (given === undefined) return generateKey(prefix, ...args);
    const own = given(...args);
    if (own === "") throw new CacheError("usage", "invalid-key", `the key function of "${prefix}" gave an empty key`);
    return typeof own === "string" ? `${prefix}:${own}` : generateKey(prefix, own);
  };
  async function call(this: This, ...args: Args): Promise<Awaited<R>> {
    const load = async (): Promise<Awaited<R>> => await fn.apply(this, args);
    return (await cache.getOrSet(keyOf(...args), load, rest)) as Awaited<R>;
  }
  const drop = (...args: Args) => cache.delete(keyOf(...args), rest.tier === undefined ? {} : { tier: rest.tier });
  return Object.assign(call, { key: keyOf, invalidate: drop });
}

/** What invalidating functions need of a cache. */
export interface Invalidating {
  invalidate(selector: Selection): Promise<DeleteReport>;
}

/** Which entries a call made out of date: always the same, or told from its arguments and its result. `undefined`: none. */
export type Invalidated<Args extends unknown[], R> = Selection | ((args: Args, result: R) => Selection | undefined);

/**
 * The function, after whose success entries are invalidated. A call that fails invalidates nothing.
 * @throws CacheError a call: what `invalidate` throws, with the function's work done
 */
function invalidatingFunction<This, Args extends unknown[], R>(
  cache: Invalidating,
  fn: Method<This, Args, R>,
  which: Invalidated<Args, Awaited<R>>,
): (this: This, ...args: Args) => Promise<Awaited<R>> {
  return async function (this: This, ...args: Args): Promise<Awaited<R>> {
    const result = await fn.apply(this, args);
    const selector = typeof which === "function" ? which(args, result) : which;
    if (selector !== undefined) await cache.invalidate(selector);
    return result;
  };
}

/** Any method that is waited for, one with type parameters of its own among them. */
type AsyncMethod = (this: never, ...args: never) => Promise<unknown>;

/** Who gives no context has no method: without that a method with type parameters would be taken for a function. */
interface MethodDecorator {
  /** A standard decorator of a method (TC39 stage 3): the method, replaced by one of the same type. */
  <M extends AsyncMethod>(method: M, context: ClassMethodDecoratorContext): M;
  <This, Args extends unknown[], R>(
    method: (this: This, ...args: Args) => Promise<R>,
    context?: undefined,
  ): Cached<This, Args, Awaited<R>>;
}

/** Makes functions that remember: of a function, or as a decorator of a method. */
export interface MakeCached {
  /** @throws CacheError `invalid-prefix` */
  <This, Args extends unknown[], R>(
    fn: (this: This, ...args: Args) => R,
    options: CachedOptions<Args, Awaited<R>>,
  ): Cached<This, Args, Awaited<R>>;
  /** @throws CacheError `invalid-prefix`, `not-a-method`, when the class is defined */
  (options: CachedOptions<never[], never>): MethodDecorator;
}

export function makeCached(cache: ReadingThrough): MakeCached {
  function cached<This, Args extends unknown[], R>(
    fn: (this: This, ...args: Args) => R,
    options: CachedOptions<Args, Awaited<R>>,
  ): Cached<This, Args, Awaited<R>>;
  function cached(options: CachedOptions<never[], never>): MethodDecorator;
  function cached(
    first: ((...args: unknown[]) => unknown) | CachedOptions<never[], never>,
    options?: CachedOptions<unknown[], unknown>,
  ) {
    if (typeof first === "function") return cachedFunction(cache, first, options ?? { prefix: "" });
    function decorate<M extends AsyncMethod>(method: M, context: ClassMethodDecoratorContext): M;
    function decorate<This, Args extends unknown[], R>(
      method: (this: This, ...args: Args) => Promise<R>,
    ): Cached<This, Args, Awaited<R>>;
    function decorate(method: (...args: unknown[]) => Promise<unknown>, context?: ClassMethodDecoratorContext) {
      checkMethod(context);
      return cachedFunction(cache, method, first as CachedOptions<unknown[], unknown>);
    }
    return decorate;
  }
  return cached;
}

/** Makes functions after whose success entries are invalidated; what it gives wraps a function, and decorates a method. */
export interface MakeInvalidating {
  /** @throws CacheError `empty-selector`, `invalid-selector`, `invalid-glob`, `invalid-key` with the first call */
  (
    selector: Selection,
  ): {
    <M extends AsyncMethod>(method: M, context: ClassMethodDecoratorContext): M;
    <This, Args extends unknown[], R>(
      fn: (this: This, ...args: Args) => R,
      context?: undefined,
    ): (this: This, ...args: Args) => Promise<Awaited<R>>;
  };
  <Args extends unknown[], R>(
    which: (args: Args, result: R) => Selection | undefined,
  ): {
    <M extends (this: never, ...args: Args) => Promise<R>>(method: M, context: ClassMethodDecoratorContext): M;
    <This>(
      fn: (this: This, ...args: Args) => R | Promise<R>,
      context?: undefined,
    ): (this: This, ...args: Args) => Promise<R>;
  };
}

export function makeInvalidating(cache: Invalidating): MakeInvalidating {
  return (which: Selection | ((args: never, result: never) => Selection | undefined)) => {
    function wrap<M extends AsyncMethod>(method: M, context: ClassMethodDecoratorContext): M;
    function wrap<This, Args extends unknown[], R>(
      fn: (this: This, ...args: Args) => R,
    ): (this: This, ...args: Args) => Promise<Awaited<R>>;
    function wrap(fn: (...args: unknown[]) => unknown, context?: ClassMethodDecoratorContext) {
      checkMethod(context);
      return invalidatingFunction(cache, fn, which as Invalidated<unknown[], unknown>);
    }
    return wrap;
  };
}

function checkMethod(context: ClassMethodDecoratorContext | undefined): void {
  if (context === undefined || context.kind === "method") return;
  throw new CacheError("usage", "not-a-method", "only a method can be decorated so");
}
