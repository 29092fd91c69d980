/** Hash slots of a Redis Cluster. */
export const SLOTS = 16_384;

/** CRC16-CCITT in the variant XMODEM: polynomial 0x1021, begun with 0, nothing reflected. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  return crc;
});

/**
 * The slot that a key lies in: CRC16 of the key modulo 16,384, or of its hash tag alone, where it has one
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
 */
export function slotOf(key: string | Buffer): number {
  const bytes = typeof key === "string" ? Buffer.from(key) : key;
  const open = bytes.indexOf(0x7b);
  const close = open < 0 ? -1 : bytes.indexOf(0x7d, open + 1);
  const [from, to] = close > open + 1 ? [open + 1, close] : [0, bytes.length];
  return crcOf(bytes, from, to) % SLOTS;
}

function crcOf(bytes: Buffer, from = 0, to = bytes.length): number {
  let crc = 0;
  for (let i = from; i < to; i++) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ (bytes[i] ?? 0)) & 0xff] ?? 0)) & 0xffff;
  return crc;
}

let anchors: string[] | undefined;

/** A number that, as a hash tag, lies in the slot: the smallest. */
export function anchorOf(slot: number): string {
  anchors ??= makeAnchors();
  return anchors[slot] ?? "";
}

/** Every slot has one: among numbers below 160,000 each is met (some 20 ms of work, once in a process). */
function makeAnchors(): string[] {
  const found = new Array<string>(SLOTS).fill("");
  for (let number = 0, left = SLOTS; left > 0; number++) {
    const text = `${number}`;
    const slot = crcOf(Buffer.from(text)) % SLOTS;
    if (found[slot] !== "") continue;
    found[slot] = text;
    left -= 1;
  }
  return found;
}
