import { describe, expect, test } from "vitest";
import { readDocument } from "../support/documents.js";
import { errorCodes, unclearCodes, warningCodes } from "../support/error-codes.js";

const [errors = "", warnings = ""] = readDocument("docs/errors.md").split("## Warnings");

/** The cells of each row that begins with a code. */
const rowsOf = (table: string): string[][] =>
  [...table.matchAll(/^\| `([a-z0-9-]+)` \|(.*)\|$/gm)].map(([, code = "", rest = ""]) => [
    code,
    ...rest.split("|").map((cell) => cell.trim()),
  ]);

const names = (rows: readonly string[][]) => rows.map(([code]) => code);

describe("docs/errors.md", () => {
  test("has every code of the sources, once and in order, and no other", () => {
    const found = errorCodes();
    expect(found.size).toBeGreaterThan(150);
    expect(names(rowsOf(errors))).toEqual([...found.keys()].sort());
    expect(names(rowsOf(warnings))).toEqual([...warningCodes()].sort());
  });

  test("says what each means, what to do, and the exit code that its kind has", () => {
    const found = errorCodes();
    for (const [code = "", exit = "", meaning = "", remedy = ""] of rowsOf(errors)) {
      expect(meaning, code).toMatch(/^.{10,}\.$/);
      if (!["not-confirmed", "nothing-chosen"].includes(code)) expect(remedy, code).toMatch(/^.{8,}\.$/);
      const known = [...(found.get(code) ?? [])].sort((a, b) => a - b);
      const said = exit === "" ? [] : exit.split(" or ").map(Number);
      // Where one of its kinds is worked out, the document says more.
      for (const one of known) expect(said, code).toContain(one);
      if (code !== "internal-error") expect(said.length, code).toBeGreaterThan(0);
    }
  });

  test("misses none because its code is not written down where the error is made", () => {
    expect(unclearCodes()).toEqual([]);
  });
});
