import { constants, createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { StoredResponse } from "../../http/stored-response.js";

/** A value that is cut gives what it begins with. */
const DECODERS = {
  br: () => createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH }),
  gzip: () => createGunzip({ finishFlush: constants.Z_SYNC_FLUSH }),
  deflate: () => createInflate({ finishFlush: constants.Z_SYNC_FLUSH }),
};

type KnownCoding = keyof typeof DECODERS;

/** How a value is compressed: a response says it of its content, of others their bytes do. Undefined where it is not, or nobody here can read it. */
export function contentCoding(response: StoredResponse | undefined, bytes: Uint8Array): KnownCoding | undefined {
  if (response === undefined) return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8 ? "gzip" : undefined;
  const { coding, fields } = response;
  const at = fields.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === "content-encoding");
  const said = coding !== undefined && coding !== "as-is" ? coding : at < 0 ? undefined : fields[at + 1];
  const name = said?.trim().toLowerCase().replace(/^x-/, "");
  return name === "br" || name === "gzip" || name === "deflate" ? name : undefined;
}

/**
 * What compressed bytes stand for, or the beginning of it.
 * @param most bytes of it: a few can stand for a great many
 * @returns undefined where nothing comes of them
 */
export async function decodedContent(
  bytes: Uint8Array,
  coding: KnownCoding,
  most: number,
): Promise<{ bytes: Buffer; isCut: boolean } | undefined> {
  const decoder = DECODERS[coding]();
  decoder.end(bytes);
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of decoder) {
      pieces.push(piece);
      length += piece.length;
      if (length > most) break;
    }
  } catch {
    // It is none of that, or damaged from here on.
  }
  if (length === 0) return undefined;
  return { bytes: Buffer.concat(pieces).subarray(0, most), isCut: length > most };
}
