import { createReadStream, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readAll } from "./reading.js";

describe.each([
  ["mime-db/db.json", 2000],
  ["@mdn/browser-compat-data/data.json", 10],
])("%s", (name, least) => {
  const path = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));

  it("gives every value as the bytes of the file, in every size of pieces", async () => {
    const file = readFileSync(path);
    const parsed: Record<string, unknown> = JSON.parse(file.toString("utf8"));
    for (const highWaterMark of [4099, 65_536, 1_048_576]) {
      const result = await readAll(createReadStream(path, { highWaterMark }), { format: "json" });
      expect(result.error).toBeUndefined();
      expect(result.rejects).toEqual([]);
      expect(result.entries.map((entry) => entry.key)).toEqual(Object.keys(parsed));
      expect(result.entries.length).toBeGreaterThanOrEqual(least);
      let from = 0;
      for (const { key, value } of result.entries) {
        const text = Buffer.from(value.buffer, value.byteOffset, value.length);
        // Members come in the order of the file, so each value's bytes are found behind the one before.
        const at = file.indexOf(text.subarray(0, 4096), from);
        expect(at).toBeGreaterThan(from);
        expect(Buffer.compare(file.subarray(at, at + text.length), text)).toBe(0);
        expect(JSON.parse(text.toString("utf8"))).toEqual(parsed[key]);
        from = at + text.length;
      }
    }
  });
});
