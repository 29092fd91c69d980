import type { Checked } from "../../api/checked.js";
import type { entryCalls } from "../../api/entries.js";
import type { patchBody, putQuery } from "../../api/listing.js";
import { call } from "../api.js";
import type { Entry } from "./value.js";

/** Deletes one entry, however long its key is. */
export async function deleteEntry(key: string): Promise<{ isThere: boolean; isPending: boolean }> {
  const { deleted, pending } = await call<Checked<typeof entryCalls.delete.answers>>("POST", "/v1/entries/delete", {
    body: { keys: [key] },
  });
  return { isThere: deleted[0] ?? false, isPending: pending ?? false };
}

/** What is to be new of an entry; what is undefined stays. */
export interface Change {
  value: string | undefined;
  /** `5m`, `none` */
  ttl: string | undefined;
  tags: readonly string[] | undefined;
}

/** Changes an entry, unless it is no longer the one that was looked at. */
export async function changeEntry({ key, version, tags: before }: Entry, change: Change): Promise<void> {
  const { value, ttl, tags } = change;
  const named = { ...(ttl !== undefined && { ttl }), ...(version !== undefined && { ifVersion: version }) };
  if (value !== undefined) {
    // What is stored anew has the tags that it is given.
    const query: Partial<Checked<typeof putQuery>> = { key, tag: [...(tags ?? before)], ...named };
    return call("PUT", "/cache/entry", { query, body: value });
  }
  if (tags === undefined && ttl === undefined) return;
  const body: Checked<typeof patchBody> = { ...named, ...(tags && { tags: [...tags] }) };
  return call("PATCH", "/cache/entry", { query: { key }, body });
}
