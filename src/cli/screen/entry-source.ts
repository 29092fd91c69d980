import type { Cache } from "../../cache/cache.js";
import type { PickerSource } from "./picker.js";
import { PREVIEW_BYTES, PREVIEW_ELEMENTS, previewOfBytes, previewOfForeign } from "./preview.js";

const GONE = ["(gone)"];

/** A store to choose entries of. Nothing is counted and no recency moved. */
export function entrySource(cache: Cache): PickerSource {
  return {
    search: (selector, options) => cache.scan(selector, { fields: "all", ...options }),
    preview: async ({ key, type }, signal) => {
      if (type !== undefined) {
        const foreign = await cache.readForeign(key, PREVIEW_ELEMENTS);
        return foreign === undefined ? GONE : previewOfForeign(foreign);
      }
      const reader = await cache.openRead(key, { peek: true, start: 0, end: PREVIEW_BYTES, signal });
      if (reader === undefined) return GONE;
      try {
        const pieces: Uint8Array[] = [];
        for await (const piece of reader.body) pieces.push(piece);
        return previewOfBytes(Buffer.concat(pieces), reader.head.size);
      } finally {
        reader.close();
      }
    },
  };
}
