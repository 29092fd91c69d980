const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of bytes that are UTF-8, undefined for any others. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
