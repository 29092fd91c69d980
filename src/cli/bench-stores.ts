import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Need } from "../bench/plan.js";
import type { checkRoom } from "../bench/room.js";
import type { Subject } from "../bench/run.js";
import type { Cache } from "../cache/cache.js";
import { cacheFolder } from "../config/choose-store.js";
import type { ResolvedConfig } from "../config/load.js";
import { refuseForSeveral } from "../config/password.js";
import { parseRedisUrl } from "../config/redis-url.js";
import { redactUrl, type StoreTarget, splitStores } from "../config/store-url.js";
import { CacheError, codeOf, messageOf } from "../errors.js";
import type { Listener } from "../events.js";
import { makeFolder } from "../new-folder.js";
import { describeWhole, forgetMeasured, openMeasured } from "../open-cache.js";
import type { Io } from "./io.js";
import { refuseStoreFile, targetOf } from "./target.js";

/** What the stores of a run are made with. */
export interface BenchTools {
  io: Io;
  emit: Listener;
  need: Need;
  /** @throws CacheError `bench-no-room` */
  checkRoom: typeof checkRoom;
  /** A file that is written too, and must not be a store. */
  keepOff: string | undefined;
}

/** A store, and how to remove by hand what is left of a run that was ended on the spot. */
export interface BenchStore extends Subject {
  /** A command for a shell; undefined where nothing lasts. */
  removal: string | undefined;
}

export interface BenchStores {
  subjects: BenchStore[];
  /** Of the usual ones those that can't be had here. */
  skipped: { name: string; target: string; reason: string }[];
}

/** Memory has room for what is written, and for the keys beside it. */
const MEMORY_BYTES_PER_ENTRY = 256;

/** A name for all that is written to one store, which nobody else has: two that share a server don't hear of each other's changes. */
const ownName = () => `bench:${randomBytes(6).toString("hex")}:`;

/**
 * The stores that were named, each by itself.
 * @param named as typed, with what it says
 * @throws CacheError `ambiguous-password`, `conflicting-flags`
 */
export function namedStores(
  named: readonly { text: string; config: ResolvedConfig }[],
  tools: BenchTools,
): BenchStores {
  const servers = named.filter(({ config }) => config.tiers.some(({ store }) => store.kind === "redis"));
  if (servers.length > 1) for (const { config } of servers) refuseForSeveral(config.settings);
  const names = named.map(({ text, config }) => {
    const kinds = kindsOf(config);
    const isAlone = named.filter((other) => kindsOf(other.config) === kinds).length === 1;
    return isAlone ? kinds : splitStores(text).map(redactUrl).join(" ");
  });
  const subjects = named.map(({ config }, i) => {
    const name = names[i] ?? "";
    const before = names.slice(0, i).filter((one) => one === name).length;
    return lasting(before === 0 ? name : `${name} (${before + 1})`, config, tools);
  });
  return { subjects, skipped: [] };
}

/**
 * Memory, a SQLite file and a file store of this run's own, and Redis where one answers.
 * @param base what the settings say
 * @param redis what they say if it is to be Redis
 */
export async function usualStores(
  base: ResolvedConfig,
  redis: () => Promise<ResolvedConfig>,
  tools: BenchTools,
): Promise<BenchStores> {
  const own = ownName();
  const folder = temporaryFolder(join(cacheFolder(tools.io.env), own.slice(0, -1).replace(":", "-")));
  const here = (name: string, store: (folder: string) => StoreTarget): BenchStore => ({
    name,
    target: name === "memory" ? "memory:" : `${name}:${folder.path} (for this run)`,
    namespace: base.keyPrefix + own,
    lasting: false,
    open: async () =>
      openMeasured(
        alone(base, sized(store(name === "memory" ? "" : folder.make()), tools.need)),
        base.keyPrefix + own,
        { clock: tools.io.clock, emit: tools.emit },
      ),
    dispose: () => folder.remove(),
    removal: name === "memory" ? undefined : `rm -r ${quoted(folder.path)}`,
  });
  const stores: BenchStores = {
    subjects: [
      here("memory", () => ({ kind: "memory" })),
      here("sqlite", (at) => ({ kind: "sqlite", path: join(at, "cache.db") })),
      here("file", (at) => ({ kind: "file", path: join(at, "files") })),
    ],
    skipped: [],
  };
  await addServer(stores, base, redis, tools);
  return stores;
}

/** The server that the settings name, or else the usual one on this machine: nothing else is written to that nobody named. */
async function addServer(
  stores: BenchStores,
  base: ResolvedConfig,
  redis: () => Promise<ResolvedConfig>,
  tools: BenchTools,
): Promise<void> {
  const isNamed = base.store.kind === "redis" || base.store.kind === "remote";
  const name = isNamed ? kindsOf(base) : "redis";
  let target = "";
  try {
    const config = isNamed ? base : await redis();
    target = targetOf(config);
    if (!isNamed && !isOnThisMachine(config.store)) {
      throw new CacheError(
        "usage",
        "not-named",
        `${target} is on another machine: name it with -s to have it measured`,
      );
    }
    await describeWhole(config, config.store, { clock: tools.io.clock, emit: tools.emit });
    stores.subjects.push(lasting(name, config, tools));
  } catch (error) {
    stores.skipped.push({ name, target, reason: messageOf(error) });
  }
}

/** A store that may hold other entries, or outlives the command. */
function lasting(name: string, config: ResolvedConfig, tools: BenchTools): BenchStore {
  const own = ownName();
  if (config.settings.fallback?.source.layer === "flag") {
    throw new CacheError("usage", "conflicting-flags", "nothing stands in for a store that is measured", {
      hint: `Leave out ${config.settings.fallback.source.where}.`,
    });
  }
  const { clock } = tools.io;
  const context = { clock, emit: tools.emit };
  if (tools.keepOff !== undefined) refuseStoreFile(config, tools.keepOff, "--html");
  const namespace = config.keyPrefix + own;
  const stores = config.tiers.map(({ store }) => store);
  const isInMemory = stores.every(({ kind }) => kind === "memory");
  const [only, another] = stores;
  const measured = isInMemory && only && !another ? alone(config, sized(only, tools.need)) : config;
  const made: string[] = [];
  return {
    name,
    target: stores.map((store) => targetOf({ store })).join(" over "),
    namespace,
    lasting: !isInMemory,
    async open(): Promise<Cache> {
      for (const { store } of measured.tiers) {
        const isCopies = store.kind === "memory" && !isInMemory;
        if (!isCopies) tools.checkRoom(name, await describeWhole(measured, store, context), tools.need);
        if ("path" in store && !existsSync(store.path)) made.push(store.path);
      }
      return openMeasured(measured, namespace, context);
    },
    removal: isInMemory ? undefined : removalOf(config, own),
    async dispose(emptied) {
      if (isInMemory || !emptied) return;
      await forgetMeasured(measured, namespace, context);
      for (const { store } of measured.tiers) {
        if (!("path" in store) || !made.includes(store.path) || !existsSync(store.path)) continue;
        const { entries } = await describeWhole(measured, store, context);
        if (entries !== 0) continue;
        for (const end of ["", "-wal", "-shm"]) await rm(store.path + end, { recursive: true, force: true });
      }
    },
  };
}

/** What removes the entries; who runs it says password and token as he did here. */
function removalOf({ tiers, settings, keyPrefix }: ResolvedConfig, own: string): string {
  const { profile, redisKeyPrefix } = settings;
  const prefix = String(redisKeyPrefix?.value ?? "");
  const namespace = keyPrefix.slice(tiers.some(({ store }) => store.kind === "redis") ? prefix.length : 0);
  const lasting = tiers.filter(({ store }) => store.kind !== "memory");
  return [
    `cache invalidate --prefix ${own} --yes`,
    ...lasting.map(({ store }) => `-s ${quoted(targetOf({ store }))}`),
    ...(profile?.source.layer === "flag" ? [`-p ${quoted(String(profile.value))}`] : []),
    ...(namespace === "" ? [] : [`-n ${quoted(namespace)}`]),
  ].join(" ");
}

/** For a shell, if it has to be. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function alone(config: ResolvedConfig, store: StoreTarget): ResolvedConfig {
  return { ...config, tiers: [{ name: store.kind, store }], store, fallback: undefined };
}

/** Memory whose bounds nobody named is made large enough. */
function sized(store: StoreTarget, { entries, bytes }: Need): StoreTarget {
  if (store.kind !== "memory") return store;
  const { maxEntries = 2 * entries, maxBytes = 2 * (bytes + entries * MEMORY_BYTES_PER_ENTRY) } = store;
  return { ...store, maxEntries, maxBytes };
}

function kindsOf({ tiers }: ResolvedConfig): string {
  return tiers.map(({ store }) => store.kind).join(" over ");
}

function isOnThisMachine(store: StoreTarget): boolean {
  if (store.kind !== "redis") return false;
  return parseRedisUrl(store.url, "").hosts.every((host) =>
    /^(?:localhost|127\.[\d.]+|\[?::1\]?)(?::\d+)?$/.test(host),
  );
}

/** A folder that is made when it is first asked for, and removed with what is in it, as are those above it that were made for it. */
function temporaryFolder(path: string) {
  const above: string[] = [];
  return {
    path,
    make(): string {
      if (existsSync(path)) return path;
      for (let folder = dirname(path); !existsSync(folder) && dirname(folder) !== folder; folder = dirname(folder))
        above.push(folder);
      makeFolder(path);
      return path;
    },
    async remove(): Promise<void> {
      await rm(path, { recursive: true, force: true });
      for (const folder of above) {
        try {
          await rmdir(folder);
        } catch (error) {
          // Somebody else has put something into it, or has removed it.
          if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "ENOENT") throw error;
        }
      }
    },
  };
}
