/** Bytes of a row. */
const ROW = 16;

/** Bytes as an editor for them shows them: where, what, and as text. */
export function hexText(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = [...bytes.subarray(at, at + ROW)];
    const pairs = row.map((byte, i) => `${i === ROW / 2 ? " " : ""}${byte.toString(16).padStart(2, "0")}`);
    const signs = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    rows.push(`${at.toString(16).padStart(8, "0")}  ${pairs.join(" ").padEnd(ROW * 3)}  ${signs.join("")}`);
  }
  return rows.join("\n");
}
