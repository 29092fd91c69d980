import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { keyFromBytes, keyToBytes } from "../key.js";
import type { Filter, Selector } from "../selector.js";
import { Flags, repeatedFlag } from "./flags.js";

/** Flags that say which entries; all that are given must hold. */
export const selectionFlags = {
  prefix: Flags.string({ summary: "keys that begin with this text (no wildcards)", helpValue: "TEXT" }),
  match: Flags.string({ summary: "keys that match this glob: * ? [a-z] [^a] \\", helpValue: "GLOB" }),
  tag: repeatedFlag({ summary: "entries with this tag (repeatable: any of them)", helpValue: "TAG" }),
  "all-tags": Flags.boolean({ summary: "entries that carry every --tag" }),
};

export const typeFlag = () =>
  repeatedFlag({ summary: "Redis types besides strings: hash, list, set, zset, stream, any", helpValue: "TYPE" });

interface SelectionInput {
  prefix?: string | undefined;
  match?: string | undefined;
  tag?: string[] | undefined;
  "all-tags"?: boolean | undefined;
  type?: string[] | undefined;
}

export const REDIS_TYPES = ["string", "hash", "list", "set", "zset", "stream", "any"];

/** The conditions that were given; `{}` where none was. */
export function filterFromFlags(flags: SelectionInput): Filter {
  if (flags.prefix === "") {
    throw new CacheError("usage", "empty-selector", "an empty prefix would be every key", {
      hint: "Say --all if that is meant.",
    });
  }
  if (flags["all-tags"] && !flags.tag) {
    throw new CacheError("usage", "invalid-arguments", "--all-tags needs --tag", { hint: "Name the tags with --tag." });
  }
  for (const type of flags.type ?? []) {
    if (!REDIS_TYPES.includes(type)) {
      throw new CacheError("usage", "invalid-type", `"${type}" is no Redis type`, {
        hint: `Use ${REDIS_TYPES.join(", ")}.`,
      });
    }
  }
  return {
    ...(flags.prefix !== undefined && { prefix: flags.prefix }),
    ...(flags.match !== undefined && { match: flags.match }),
    ...(flags.tag && { tags: flags.tag }),
    ...(flags["all-tags"] && { tagMode: "all" as const }),
    ...(flags.type && { types: flags.type }),
  };
}

/** @throws CacheError where `--type` was given for a store that has strings alone */
export function checkTypes({ type }: SelectionInput, { store }: ResolvedConfig): void {
  if (type === undefined || store.kind === "redis" || store.kind === "remote") return;
  throw new CacheError("usage", "conflicting-flags", `--type is for Redis, a ${store.kind} store has strings alone`, {
    hint: "Leave out --type.",
  });
}

/** The filter as a selector, where none of its conditions means everything. */
export function orAll(filter: Filter): Selector {
  const { types, tagMode: _, ...conditions } = filter;
  if (Object.keys(conditions).length > 0) return filter;
  return types ? { all: true, types } : { all: true };
}

/**
 * The keys of a command line: as text, then those given as base64.
 * @throws CacheError `invalid-key` for an empty one, which is an unset variable of a script rather than somebody's key; `invalid-base64`
 */
export function keysFrom(keys: readonly string[] | undefined, base64: readonly string[] | undefined): string[] {
  const decoded = (base64 ?? []).map((text) => {
    const bytes = Buffer.from(text, "base64");
    if (text === "" || bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) {
      throw new CacheError("usage", "invalid-base64", `--key-base64: "${text}" is not base64`, {
        hint: "Give the key's bytes as base64 with the standard alphabet.",
      });
    }
    return keyFromBytes(bytes);
  });
  if (keys?.includes("")) {
    throw new CacheError("usage", "invalid-key", "a key can't be empty", { hint: "Give the key a name." });
  }
  return [...(keys ?? []), ...decoded];
}

/** @throws CacheError `invalid-arguments` where no key was named */
export function requireKeys(keys: readonly string[]): void {
  if (keys.length > 0) return;
  throw new CacheError("usage", "invalid-arguments", "KEYS are missing", { hint: "Name a key." });
}

/** A key as JSON output holds it; one that is no UTF-8 also as base64. */
export function keyAsJson(key: string): { key: string } | { key: string; keyBase64: string } {
  return key.isWellFormed() ? { key } : { key: key.toWellFormed(), keyBase64: keyToBytes(key).toString("base64") };
}
