import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { surrogateTags, TAG_FIELDS } from "../../src/http/surrogate-tags.js";
import { isTag } from "../../src/key.js";

const tagsOf = (...fields: string[]) => surrogateTags(fields).tags;

describe("tags of a response", () => {
  test("Surrogate-Key and xkey are parted by white space, Cache-Tag by commas", () => {
    expect(tagsOf("Surrogate-Key", "a  b\tc,d")).toEqual(["a", "b", "c,d"]);
    expect(tagsOf("XKEY", " a b ")).toEqual(["a", "b"]);
    expect(tagsOf("cache-tag", "a b,c , ,d")).toEqual(["a b", "c", "d"]);
  });

  test("all lines of all of them count, each tag once", () => {
    const fields = ["Cache-Tag", "c,a", "Surrogate-Key", "a b", "surrogate-key", "b d", "xkey", "e a", "X", "y"];
    expect(surrogateTags(fields)).toEqual({ tags: ["a", "b", "d", "c", "e"], dropped: 0 });
    expect(surrogateTags([])).toEqual({ tags: [], dropped: 0 });
  });

  test("what no entry can carry is dropped and counted", () => {
    const long = "x".repeat(257);
    expect(surrogateTags(["Cache-Tag", `a,${long},b\0,c`])).toEqual({ tags: ["a", "c"], dropped: 2 });
    expect(tagsOf("Cache-Tag", "x".repeat(256))).toHaveLength(1);
  });

  test("at most 512 are kept", () => {
    const many = Array.from({ length: 600 }, (_, i) => `t${i}`);
    const { tags, dropped } = surrogateTags(["Surrogate-Key", `${many.join(" ")} t0`]);
    expect(tags).toEqual(many.slice(0, 512));
    expect(dropped).toBe(88);
  });

  test("UTF-8 that was read as Latin-1 is what a purge names; Latin-1 stays what it is", () => {
    const utf8 = Buffer.from("größe,中").toString("latin1");
    expect(tagsOf("Cache-Tag", utf8)).toEqual(["größe", "中"]);
    expect(tagsOf("Cache-Tag", "größe")).toEqual(["größe"]);
    expect(tagsOf("Cache-Tag", "中,é")).toEqual(["中", "é"]);
    expect(tagsOf("Cache-Tag", "中Ã©")).toEqual(["中Ã©"]);
  });

  test("the fields to strip downstream are those that are read", () => {
    for (const name of TAG_FIELDS) expect(tagsOf(name, "a")).toEqual(["a"]);
    expect(TAG_FIELDS.size).toBe(3);
  });

  test("whatever comes, only tags come out, and it comes to an end", () => {
    const name = fc.constantFrom("Surrogate-Key", "Cache-Tag", "xkey");
    fc.assert(
      fc.property(name, fc.string({ unit: "binary", maxLength: 100 }), (field, value) => {
        for (const tag of tagsOf(field, value)) expect(isTag(tag)).toBe(true);
      }),
    );
    for (const unit of [",", " ", "\t ", "a,", "a ", "é"]) {
      for (const field of TAG_FIELDS) {
        surrogateTags([field, unit.repeat(65_536 / unit.length)]);
        surrogateTags([field, Array.from({ length: 10_000 }, (_, i) => i).join(unit)]);
      }
    }
  });
});
