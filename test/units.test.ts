import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CacheError } from "../src/errors.js";
import { formatDuration, formatSize, parseDuration, parseSize, parseTtl } from "../src/units.js";

function refusal(action: () => unknown): CacheError {
  try {
    action();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["30", 30_000],
    ["0.5", 500],
    ["1.5h", 5_400_000],
    [" 5m ", 300_000],
    ["0", 0],
    ["-5", -5000],
    ["-1h30m", -5_400_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    " ",
    "s",
    "5 m",
    "5M",
    "5min",
    "1h30",
    "1e3",
    "+5",
    "--5",
    "5ms5",
    "0x10",
    "Infinity",
    "NaN",
    "5,5s",
    "٣s",
    "1h-5m",
  ])("%j is none", (text) => {
    const error = refusal(() => parseDuration(text));
    expect(error).toMatchObject({ kind: "usage", code: "invalid-duration" });
    expect(error.message).toContain(`"${text}"`);
    expect(error.hint).toContain("30s");
  });

  it("is at most 1000 years", () => {
    expect(parseDuration("365000d")).toBe(31_536_000_000_000);
    expect(refusal(() => parseDuration("365001d")).message).toContain("longer than 1000 years");
    expect(refusal(() => parseDuration("9".repeat(400))).code).toBe("invalid-duration");
  });

  it("adds up the parts of any compound", () => {
    const part = fc.tuple(fc.nat(5000), fc.constantFrom(...Object.keys(MS)));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const sum = parts.reduce((ms, [n, unit]) => ms + n * (MS[unit] ?? Number.NaN), 0);
        expect(parseDuration(parts.map(([n, unit]) => `${n}${unit}`).join(""))).toBe(sum);
      }),
    );
  });

  it("gives a safe integer, or refuses, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^-?[\d.]{1,20}(ms|[smhdw])?$/)), (text) => {
        try {
          expect(Number.isSafeInteger(parseDuration(text))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid-duration" });
        }
      }),
    );
  });

  it("reads what is shown to people as what it was, to the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 59 * 60_000 }), (ms) => {
        const shown = parseDuration(formatDuration(ms).replaceAll(" ", ""));
        expect(Math.abs(shown - ms)).toBeLessThanOrEqual(500);
      }),
    );
  });

  it.each([
    [-5, "0ms"],
    [0, "0ms"],
    [999, "999ms"],
    [1000, "1s"],
    [59_999, "1m"],
    [5_400_000, "1h 30m"],
    [90_061_000, "1d 1h"],
    [86_400_000 * 400, "400d"],
  ])("%d ms are shown as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe("TTLs", () => {
  it("takes none for never", () => {
    expect(parseTtl("none")).toBeNull();
    expect(parseTtl("1h")).toBe(3_600_000);
    expect(parseTtl("1ms")).toBe(1);
  });

  it.each(["0", "0s", "-1", "-5m", "0.0001"])("refuses %s", (text) => {
    expect(refusal(() => parseTtl(text))).toMatchObject({ kind: "usage", code: "invalid-ttl" });
  });

  it.each(["never", "None", "null", ""])("does not know %j", (text) => {
    expect(refusal(() => parseTtl(text)).code).toBe("invalid-duration");
  });

  it("is above zero for every text that is taken", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^-?\d{1,8}(\.\d{1,4})?(ms|[smhdw])?$/), (text) => {
        try {
          expect(parseTtl(text)).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(CacheError);
        }
      }),
    );
  });
});

describe("sizes", () => {
  it.each([
    ["0", 0],
    ["1000", 1000],
    ["10B", 10],
    ["10kB", 10_000],
    ["10KB", 10_000],
    ["10MB", 10_000_000],
    ["10MiB", 10_485_760],
    ["1.5 GB", 1_500_000_000],
    ["2gib", 2_147_483_648],
    ["1TiB", 1_099_511_627_776],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(["", "MB", "-1", "1e6", "10 M", "10bytes", "ten", "99999999999TB", "1.MB"])("%j is none", (text) => {
    expect(refusal(() => parseSize(text))).toMatchObject({ kind: "usage", code: "invalid-size" });
  });

  it("keeps the order of what is shown", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(parseSize(formatSize(low))).toBeLessThanOrEqual(parseSize(formatSize(high)));
      }),
    );
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [999_949, "999.9 kB"],
    [999_999, "1.0 MB"],
    [45_200_000, "45.2 MB"],
  ])("%d bytes are shown as %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
