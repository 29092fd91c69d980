import type { Checked } from "../../api/checked.js";
import type { entryCalls } from "../../api/entries.js";
import type { patchBody, putQuery } from "../../api/listing.js";
import { call } from "../api.js";

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
  tags: readonly string[];
}

/** Changes an entry, unless it is no longer the one that was looked at. */
export async function changeEntry(
  key: string,
  version: string | undefined,
  { value, ttl, tags }: Change,
): Promise<void> {
  const ifVersion = version === undefined ? {} : { ifVersion: version };
  if (value === undefined) {
    const body: Checked<typeof patchBody> = { tags: [...tags], ...(ttl !== undefined && { ttl }), ...ifVersion };
    return call("PATCH", "/cache/entry", { query: { key }, body });
  }
  const query: Partial<Checked<typeof putQuery>> = {
    key,
    tag: [...tags],
    ...(ttl !== undefined && { ttl }),
    ...ifVersion,
  };
  return call("PUT", "/cache/entry", { query, body: value });
}
