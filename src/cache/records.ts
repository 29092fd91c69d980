import type { Awaitable } from "../backends/backend.js";
import { CacheError, shown } from "../errors.js";
import { isKey } from "../key.js";
import { CALLBACK, CHECKED_ELSEWHERE, checkOptions, type Forms } from "../option-checks.js";
import { Collected, type Invalidating, type Invalidations } from "./invalidations.js";
import { escapePart, hashKey, recordKey } from "./keys.js";
import type { ManyLoader } from "./loading/many.js";
import type { Loader, LoadOptions } from "./loading/options.js";
import { checkTtl } from "./new-entry.js";
import type { SetOptions } from "./options.js";

/** What records need of a cache. */
interface RecordCache {
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown, options?: SetOptions): Promise<unknown>;
  getOrSet<T>(key: string, loader: Loader<T>, options?: LoadOptions<T>): Promise<T | undefined>;
  getOrSetMany<T>(keys: readonly string[], load: ManyLoader<T>, options?: LoadOptions<T>): Promise<(T | undefined)[]>;
}

export type RecordId = string | number | bigint;

/** Where records come from: a database, a service. Only what is called has to be there. */
export interface RecordSource<R, Id extends RecordId = string, Q = unknown> {
  get(id: Id): Awaitable<R | undefined>;
  /** In the order of the ids. Without it each is asked for by itself. */
  getMany?(ids: readonly Id[]): Awaitable<readonly (R | undefined)[]>;
  /** The record as it was stored, with its id. */
  create?(record: Omit<R, "id"> | R): Awaitable<R>;
  /** The record as it is now, undefined where there is none. */
  update?(id: Id, changes: Partial<R>): Awaitable<R | undefined>;
  /** In the order of the changes. Without it each is made by itself. */
  updateMany?(changes: readonly (readonly [Id, Partial<R>])[]): Awaitable<readonly (R | undefined)[]>;
  /** False where there was none. */
  delete?(id: Id): Awaitable<boolean>;
  query?(query: Q): Awaitable<readonly R[]>;
}

export interface RecordOptions<R, Id extends RecordId> {
  /** Names the kind of record, and begins its keys: `users` gives `users:42` and `users:query:…`. */
  prefix: string;
  /** Milliseconds, null = never expires. Default: that of the cache. */
  ttl?: number | null;
  /** Of cached queries; default `ttl`. */
  queryTtl?: number | null;
  /** For how long it is remembered that there is no such record; milliseconds. Default: not at all. */
  negativeTtl?: number;
  /** `false`: every call goes to the source, and nothing is kept. */
  cache?: false;
  /** The id of a record. Default: its `id`. */
  idOf?: (record: R) => Id;
}

const OPTIONS: Forms<RecordOptions<unknown, string>> = {
  // What has an error of its own is checked beside it.
  prefix: CHECKED_ELSEWHERE,
  ttl: CHECKED_ELSEWHERE,
  queryTtl: CHECKED_ELSEWHERE,
  negativeTtl: CHECKED_ELSEWHERE,
  cache: { what: "false, or leave it out", holds: (value) => value === false },
  idOf: CALLBACK,
};

/** The options as they are given: `idOf` can be left out where every record has its id as `id`. */
export type GivenRecordOptions<R, Id extends RecordId> = RecordOptions<R, Id> &
  (unknown extends R
    ? unknown
    : [R] extends [{ readonly id: Id }]
      ? unknown
      : Required<Pick<RecordOptions<R, Id>, "idOf">>);

/**
 * Records of one kind, read through a cache by id and by query. A write goes to the source first; then the record's entry and all cached queries of its kind are
 * invalidated. A store that fails fails no call: the source is asked.
 */
export class Records<R, Id extends RecordId = string, Q = unknown> {
  readonly #cache: RecordCache;
  readonly #invalidating: Invalidating;
  readonly #source: RecordSource<R, Id, Q>;
  readonly #options: RecordOptions<R, Id>;
  readonly #prefix: string;
  /** Where invalidations go instead of being made: a transaction that has not ended yet. */
  readonly #pending: Invalidations | undefined;

  constructor(
    cache: RecordCache,
    invalidating: Invalidating,
    source: RecordSource<R, Id, Q>,
    options: RecordOptions<R, Id>,
    pending?: Invalidations,
  ) {
    checkOptions("records", options, OPTIONS);
    if (typeof source !== "object" || source === null) {
      throw new CacheError("usage", "invalid-source", `the source of records can't be ${shown(source)}`, {
        hint: "Give an object with the methods get, getMany and query, as far as they are wanted.",
      });
    }
    if (typeof options.prefix !== "string" || options.prefix === "") {
      throw new CacheError("usage", "invalid-prefix", "records need a prefix", { hint: "Name their kind: users." });
    }
    for (const ms of [options.ttl, options.queryTtl, options.negativeTtl])
      if (ms !== undefined && ms !== null) checkTtl(ms, options.prefix);

    this.#cache = cache;
    this.#invalidating = invalidating;
    this.#source = source;
    this.#options = options;
    this.#prefix = escapePart(options.prefix);
    this.#pending = pending;
  }

  /**
   * The same records inside of a transaction: invalidations are collected, and reads go to the source, since only there the writes that are not
   * committed yet are seen.
   */
  within(transaction: Invalidations): Records<R, Id, Q> {
    return new Records(this.#cache, this.#invalidating, this.#source, this.#options, transaction);
  }

  async get(id: Id): Promise<R | undefined> {
    const key = this.keyOf(id);
    if (this.#bypassed(key)) return this.#source.get(id);
    const { ttl, negativeTtl } = this.#options;
    return this.#cache.getOrSet(key, () => this.#source.get(id), {
      ...(ttl !== undefined && { ttl }),
      ...(negativeTtl !== undefined && { negativeTtl }),
    });
  }

  /** In the order of the ids. */
  async getMany(ids: readonly Id[]): Promise<(R | undefined)[]> {
    const byKey = new Map(ids.map((id) => [this.keyOf(id), id]));
    const keys = [...byKey.keys()];
    const direct = keys.filter((key) => this.#bypassed(key));
    const through = keys.filter((key) => !direct.includes(key));
    const { ttl, negativeTtl } = this.#options;
    const idsOf = (some: readonly string[]) => some.flatMap((key) => byKey.get(key) ?? []);
    const [fresh, read] = await Promise.all([
      this.#fromSource(idsOf(direct)),
      this.#cache.getOrSetMany(through, (missing) => this.#fromSource(idsOf(missing)), {
        ...(ttl !== undefined && { ttl }),
        ...(negativeTtl !== undefined && { negativeTtl }),
      }),
    ]);
    const found = new Map<string, R | undefined>();
    direct.forEach((key, i) => void found.set(key, fresh[i]));
    through.forEach((key, i) => void found.set(key, read[i]));
    return ids.map((id) => found.get(this.keyOf(id)));
  }

  async #fromSource(ids: readonly Id[]): Promise<readonly (R | undefined)[]> {
    if (ids.length === 0) return [];
    if (this.#source.getMany) return this.#source.getMany(ids);
    return Promise.all(ids.map((id) => this.#source.get(id)));
  }

  /** @throws CacheError `not-supported` where the source knows no queries */
  async query(query: Q): Promise<readonly R[]> {
    const run = this.#of("query");
    const key = this.queryKeyOf(query);
    if (this.#bypassed(key)) return run(query);
    const { ttl, queryTtl = ttl } = this.#options;
    const rows = await this.#cache.getOrSet(key, () => run(query), {
      tags: [this.#listTag],
      ...(queryTtl !== undefined && { ttl: queryTtl }),
    });
    return rows ?? [];
  }

  async create(record: Omit<R, "id"> | R): Promise<R> {
    const created = await this.#of("create")(record);
    await this.#written([this.#idOf(created)]);
    return created;
  }

  async update(id: Id, changes: Partial<R>): Promise<R | undefined> {
    return this.#writing([id], () => this.#of("update")(id, changes));
  }

  async updateMany(changes: readonly (readonly [Id, Partial<R>])[]): Promise<readonly (R | undefined)[]> {
    const ids = changes.map(([id]) => id);
    if (this.#source.updateMany) {
      const update = this.#of("updateMany");
      return this.#writing(ids, () => update(changes));
    }
    const update = this.#of("update");
    return this.#writing(ids, async () => {
      const updated: (R | undefined)[] = [];
      for (const [id, change] of changes) updated.push(await update(id, change));
      return updated;
    });
  }

  async delete(id: Id): Promise<boolean> {
    return this.#writing([id], () => this.#of("delete")(id));
  }

  /** The record as the cache holds it; undefined is a miss. */
  async getRecord(id: Id): Promise<R | undefined> {
    const key = this.keyOf(id);
    return this.#bypassed(key) ? undefined : this.#cache.get<R>(key);
  }

  /** Puts a record into the cache, not into the source. */
  async setRecord(record: R, ttl = this.#options.ttl): Promise<void> {
    const key = this.keyOf(this.#idOf(record));
    if (this.#options.cache === false || !isKey(key)) return;
    await this.#cache.set(key, record, ttl === undefined ? {} : { ttl });
  }

  /** Takes a record out of the cache, not out of the source. */
  async deleteRecord(id: Id): Promise<void> {
    await this.#invalidate((to) => to.delete(this.keyOf(id)));
  }

  async invalidateQueries(): Promise<void> {
    await this.#invalidate((to) => to.invalidate({ tags: [this.#listTag] }));
  }

  keyOf(id: Id): string {
    return recordKey(this.#options.prefix, id);
  }

  queryKeyOf(query: Q): string {
    return `${this.#prefix}:query:${hashKey(query)}`;
  }

  get #listTag(): string {
    return `${this.#prefix}:lists`;
  }

  #idOf(record: R): Id {
    if (this.#options.idOf) return this.#options.idOf(record);
    const id: unknown = typeof record === "object" && record !== null && "id" in record ? record.id : undefined;
    if (typeof id === "string" || typeof id === "number" || typeof id === "bigint") return id as Id;
    throw new CacheError("usage", "no-record-id", `a record of ${this.#options.prefix} has no id`, {
      hint: "Give idOf, which tells the id of a record.",
    });
  }

  #of<Name extends "query" | "create" | "update" | "updateMany" | "delete">(
    name: Name,
  ): NonNullable<RecordSource<R, Id, Q>[Name]> {
    const method = this.#source[name];
    if (method === undefined) {
      throw new CacheError("usage", "not-supported", `the source of ${this.#options.prefix} has no ${name}`, {
        hint: `Give the source a function ${name}.`,
      });
    }
    return method.bind(this.#source) as NonNullable<RecordSource<R, Id, Q>[Name]>;
  }

  /** True where the cache may not be asked, or may know less than the source; and of an id that is too long for a key. */
  #bypassed(key: string): boolean {
    return (
      !isKey(key) || this.#options.cache === false || this.#pending !== undefined || this.#invalidating.owes({ key })
    );
  }

  /** A write that fails half way may have happened: what it was about is invalidated all the same. */
  async #writing<T>(ids: readonly Id[], write: () => Awaitable<T>): Promise<T> {
    try {
      return await write();
    } finally {
      await this.#written(ids);
    }
  }

  #written(ids: readonly Id[]): Promise<void> {
    return this.#invalidate((to) => {
      to.delete(...ids.map((id) => this.keyOf(id)));
      to.invalidate({ tags: [this.#listTag] });
    });
  }

  async #invalidate(add: (to: Invalidations) => void): Promise<void> {
    if (this.#options.cache === false) return;
    if (this.#pending) return add(this.#pending);
    const collected = new Collected();
    add(collected);
    await this.#invalidating.make(collected.selectors);
  }
}
