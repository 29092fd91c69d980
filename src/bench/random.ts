import { createHash } from "node:crypto";

export const DISTRIBUTIONS = ["zipf", "uniform"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** How unevenly keys are used: what YCSB uses (B. Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010, §3). */
const ZIPF_EXPONENT = 0.99;

/**
 * Numbers from 0 up to 1, the same for the same seed: xorshift32 (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003).
 * @param stream what they are for; another one gets others
 */
export function randomOf(seed: number, stream: string): () => number {
  let state = createHash("sha256").update(`${seed}:${stream}`).digest().readUInt32LE(0) || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * Which key each operation uses, as its number below `keys`. With `zipf` the key of rank r is used in proportion to 1/r^0.99, drawn by inverting the sums
 * (L. Devroye, "Non-Uniform Random Variate Generation", 1986, §III.2); which key has which rank is drawn too, so that those in most use don't lie side by side.
 */
export function drawKeys(distribution: Distribution, keys: number, draws: number, random: () => number): Uint32Array {
  if (distribution === "uniform") return Uint32Array.from({ length: draws }, () => Math.floor(random() * keys));
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 1; rank <= keys; rank++) {
    sum += rank ** -ZIPF_EXPONENT;
    sums[rank - 1] = sum;
  }
  const ranked = shuffled(keys, random);
  return Uint32Array.from({ length: draws }, () => ranked[firstAbove(sums, random() * sum)] ?? 0);
}

/** The numbers below `length` in a random order (R. Durstenfeld, "Algorithm 235: Random permutation", CACM 7(7), 1964). */
function shuffled(length: number, random: () => number): Uint32Array {
  const numbers = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a = 0, b = 0] = [numbers[i], numbers[j]];
    numbers[i] = b;
    numbers[j] = a;
  }
  return numbers;
}

function firstAbove(sums: Float64Array, point: number): number {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Text of this many bytes that hardly shrinks: letters, digits and two signs, as in base64. */
export function randomText(bytes: number, random: () => number): Uint8Array {
  const signs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const text = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) text[i] = signs.charCodeAt(Math.floor(random() * signs.length));
  return text;
}
