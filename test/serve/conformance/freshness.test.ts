import { describe, expect, test } from "vitest";
import { formatHttpDate } from "../../../src/http/http-date.js";
import { asWritten, type Resource, siteForTests } from "./site.js";

const site = siteForTests();

/** The longest of these times, in seconds since the first request, at which it still comes from the store without a question. */
async function freshFor(resource: Resource, ...ages: number[]): Promise<number> {
  let fresh = -1;
  let waited = 0;
  await resource.get();
  for (const age of ages) {
    site.wait(age - waited);
    waited = age;
    const asked = resource.asked;
    const { cache } = await resource.get();
    if (cache !== "HIT" || resource.asked !== asked) return fresh;
    fresh = age;
  }
  return fresh;
}

const withControl = (control: string | string[], more: Record<string, string> = {}) =>
  site.resource({ fields: { "cache-control": control, ...more } });

describe("whether a response is fresh", () => {
  test("RFC 9111 §4.2: a fresh response may be used without validation, to the last moment and not beyond", async () => {
    expect(await freshFor(withControl("max-age=60"), 0, 59, 59.999)).toBe(59.999);
    expect(await freshFor(withControl("max-age=60"), 59, 60)).toBe(59);
  });

  test("RFC 9111 §4: a response that is neither fresh, nor allowed to be stale, nor validated MUST NOT be used", async () => {
    const resource = withControl("max-age=60");
    await resource.get();
    site.wait(61);
    expect(await resource.get()).toMatchObject({ cache: "MISS", text: "answer 2" });
  });

  test("RFC 9111 §4: a request with an unsafe method MUST be written through, whatever is stored", async () => {
    const resource = withControl("max-age=60");
    await resource.get();
    const got = await resource.send("POST", {}, "change");
    expect(got).toMatchObject({ text: "answer 2", cache: "BYPASS" });
    expect(resource.seen[1]?.body.toString()).toBe("change");
  });

  test("RFC 9111 §4, §2: the method of the request has to allow the stored response", async () => {
    const resource = withControl("max-age=60");
    await resource.get();
    expect((await resource.send("HEAD")).cache).toBe("HIT");
    expect((await resource.send("OPTIONS")).cache).toBe("BYPASS");
    expect((await resource.send("PROPFIND")).cache).toBe("BYPASS");
  });

  test("RFC 9111 §4: many equal requests at once may be answered by one response", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const resource = site.resource(async (_, response) => {
      await gate;
      response.writeHead(200, { "cache-control": "max-age=60" }).end("one");
    });
    const all = Array.from({ length: 20 }, () => resource.get());
    await expect.poll(() => resource.asked).toBe(1);
    go();
    for (const { text } of await Promise.all(all)) expect(text).toBe("one");
    expect(resource.asked).toBe(1);
  });

  test("RFC 9111 §4: requests at once MUST NOT be answered by a response that may not be stored", async () => {
    const asked: (() => void)[] = [];
    const resource = site.resource(async (_, response) => {
      await new Promise<void>((resolve) => asked.push(resolve));
      response.writeHead(200, { "cache-control": "private" }).end(`for ${asked.length}`);
    });
    const all = Array.from({ length: 4 }, () => resource.get());
    await expect.poll(() => asked.length).toBe(1);
    asked[0]?.();
    await expect.poll(() => asked.length).toBe(4);
    for (const answer of asked) answer();
    await Promise.all(all);
    expect(resource.asked).toBe(4);
  });
});

describe("freshness lifetimes", () => {
  test("RFC 9111 §4.2.1: s-maxage goes before max-age and Expires in a shared cache", async () => {
    expect(await freshFor(withControl("max-age=10, s-maxage=60", { expires: site.date(5) }), 59)).toBe(59);
    expect(await freshFor(withControl("s-maxage=10, max-age=60", { expires: site.date(90) }), 9, 11)).toBe(9);
  });

  test("RFC 9111 §4.2.1: max-age goes before Expires", async () => {
    expect(await freshFor(withControl("max-age=60", { expires: site.date(5) }), 59)).toBe(59);
    expect(await freshFor(withControl("max-age=10", { expires: site.date(90) }), 9, 11)).toBe(9);
  });

  test("RFC 9111 §4.2.1: without them the lifetime is Expires minus Date", async () => {
    const future = site.resource({ fields: { expires: site.date(60) } });
    expect(await freshFor(future, 59, 61)).toBe(59);
    const skewed = site.resource({ fields: { date: site.date(1000), expires: site.date(1060) } });
    expect(await freshFor(skewed, 59, 61)).toBe(59);
  });

  test("RFC 9111 §4.2.1: of directives that contradict each other the first counts, or the response is stale", async () => {
    expect(await freshFor(withControl("max-age=60, max-age=10"), 0, 11)).toBeLessThan(60);
    expect(await freshFor(withControl("max-age=10, max-age=60"), 9, 11)).toBeLessThan(11);
    expect(await freshFor(withControl("max-age=0, max-age=60"), 0)).toBe(-1);
    expect(await freshFor(withControl(["max-age=10", "max-age=60"]), 11)).toBe(-1);
  });

  test("RFC 9111 §4.2.1: invalid freshness information is taken for stale", async () => {
    for (const control of [
      "max-age=",
      "max-age=-1",
      "max-age=1.5",
      "max-age=60s",
      "max-age=a60",
      "max-age = 60",
      "max-age",
      "max-age=0x3c",
      "max-age=+60",
      "max-age=6 0",
      'max-age="6 0"',
      "s-maxage=x, max-age=60",
      "max-age=60 s-maxage=60",
    ]) {
      expect(await freshFor(withControl(control), 1), control).toBe(-1);
    }
  });

  test("RFC 9111 §5.2: an argument is a token or a quoted string alike, and names are without regard to case", async () => {
    for (const control of [
      'max-age="60"',
      "MAX-AGE=60",
      "Max-Age=060",
      "x=1,max-age=60,,",
      "\tmax-age=60\t",
      "a , max-age=60",
    ]) {
      expect(await freshFor(withControl(control), 59, 61), control).toBe(59);
    }
  });

  test("RFC 9111 §5.2: what looks like a directive within a quoted string is none", async () => {
    expect(await freshFor(withControl('x="max-age=60, no-store", max-age=30'), 29, 31)).toBe(29);
    expect(await freshFor(withControl('x="a\\"b, no-store", max-age=30'), 29, 31)).toBe(29);
  });

  test("RFC 9111 §1.2.2: a number that is too large MUST be taken for 2147483648 or what can be represented", async () => {
    for (const number of ["2147483647", "2147483648", "4294967296", "99999999999999999999999999"]) {
      expect(await freshFor(withControl(`max-age=${number}`), 1, 86_400), number).toBe(86_400);
    }
  });

  test("RFC 9111 §5.3: an invalid Expires, 0 above all, MUST be taken for the past", async () => {
    const rfc850 = formatHttpDate(site.now + 60_000).replace(/^(...), .*/, "$1, 1 Foo");
    for (const expires of [
      "0",
      "-1",
      "",
      "x",
      "tomorrow",
      rfc850,
      site.date(60).replace("GMT", "CET"),
      `${site.date(60)} x`,
    ]) {
      const lines = ["HTTP/1.1 200 OK", `Date: ${site.date()}`, `Expires: ${expires}`, "Content-Length: 1"];
      const resource = site.resource(asWritten([...lines, `Last-Modified: ${site.date(-36_000)}`], "x"));
      expect(await freshFor(resource, 0), expires).toBe(-1);
    }
  });

  test("RFC 9111 §5.3: beside max-age, or s-maxage, Expires MUST be ignored, also an invalid one", async () => {
    expect(await freshFor(withControl("max-age=60", { expires: "0" }), 59)).toBe(59);
    expect(await freshFor(withControl("s-maxage=60", { expires: "0" }), 59)).toBe(59);
    expect(await freshFor(withControl("max-age=0", { expires: site.date(60) }), 0)).toBe(-1);
  });

  test("RFC 9110 §5.6.7: a date in each of the three forms MUST be understood", async () => {
    const then = new Date(site.now + 60_000);
    const [, day = "", dd = "", month = "", year = "", time = ""] =
      /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(then.toUTCString()) ?? [];
    const full = {
      Mon: "Monday",
      Tue: "Tuesday",
      Wed: "Wednesday",
      Thu: "Thursday",
      Fri: "Friday",
      Sat: "Saturday",
      Sun: "Sunday",
    }[day];
    for (const expires of [
      `${day}, ${dd} ${month} ${year} ${time} GMT`,
      `${full}, ${dd}-${month}-${year.slice(2)} ${time} GMT`,
      `${day} ${month} ${dd.replace(/^0/, " ")} ${time} ${year}`,
    ]) {
      expect(await freshFor(site.resource({ fields: { date: site.date(), expires } }), 1), expires).toBe(1);
    }
  });

  test("RFC 9111 §4.2: dates are read without regard to case", async () => {
    const expires = site.date(60).toUpperCase();
    expect(await freshFor(site.resource({ fields: { expires } }), 59)).toBe(59);
  });
});

describe("heuristic freshness", () => {
  const tenHours = -36_000;

  test("RFC 9111 §4.2.2: without an explicit lifetime a part of the time since Last-Modified may be used", async () => {
    const resource = site.resource({ fields: { "last-modified": site.date(tenHours) } });
    expect(await freshFor(resource, 3599, 3601)).toBe(3599);
  });

  test("RFC 9111 §4.2.2: it is for URLs with a query, too", async () => {
    const resource = site.resourceAt("/heuristic?q=1", { fields: { "last-modified": site.date(tenHours) } });
    expect(await freshFor(resource, 3599)).toBe(3599);
  });

  test("RFC 9111 §4.2.2: where there is an explicit time a heuristic MUST NOT be used", async () => {
    const modified = { "last-modified": site.date(tenHours) };
    expect(await freshFor(withControl("max-age=1", modified), 0, 2)).toBe(0);
    expect(await freshFor(site.resource({ fields: { expires: site.date(1), ...modified } }), 0, 2)).toBe(0);
    expect(await freshFor(site.resource({ fields: { expires: "0", ...modified } }), 0)).toBe(-1);
  });

  test("RFC 9111 §4.2.2: a status that may not be stored by default MUST NOT have a heuristic, unless it is public", async () => {
    const modified = { "last-modified": site.date(tenHours) };
    for (const status of [201, 302, 303, 403, 500, 503]) {
      expect(await freshFor(site.resource({ status, fields: modified }), 0), `${status}`).toBe(-1);
    }
    expect(await freshFor(site.resource({ status: 302, fields: { "cache-control": "public", ...modified } }), 60)).toBe(
      60,
    );
  });

  test("RFC 9111 §4.2.2: nothing is made of a Last-Modified that is no date, or in the future", async () => {
    for (const modified of ["x", site.date(1000)]) {
      expect(await freshFor(site.resource({ fields: { "last-modified": modified } }), 0), modified).toBe(-1);
    }
  });
});

describe("age", () => {
  test("RFC 9111 §4: what is used without validation MUST have an Age, in place of the one that it came with", async () => {
    const resource = withControl("max-age=60", { age: "10" });
    expect((await resource.get()).fields.age).toBe("10");
    site.wait(5);
    const hit = await resource.get();
    expect([hit.cache, hit.fields.age]).toEqual(["HIT", "15"]);
    expect(hit.raw.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "age")).toHaveLength(1);
  });

  test("RFC 9111 §5.1: a response has no Age of ours where it comes from the origin just now", async () => {
    expect((await withControl("max-age=60").get()).fields).not.toHaveProperty("age");
  });

  test("RFC 9111 §4.2.3: the Age that a response came with counts towards its age", async () => {
    expect(await freshFor(withControl("max-age=60", { age: "50" }), 9, 11)).toBe(9);
    expect(await freshFor(withControl("max-age=60", { age: "60" }), 0)).toBe(-1);
  });

  test("RFC 9111 §4.2.3: a Date in the past counts towards the age, if that is more than Age says", async () => {
    expect(await freshFor(withControl("max-age=60", { date: site.date(-50) }), 9, 11)).toBe(9);
    expect(await freshFor(withControl("max-age=60", { date: site.date(-50), age: "55" }), 4, 6)).toBe(4);
    expect(await freshFor(withControl("max-age=60", { date: site.date(-55), age: "5" }), 4, 6)).toBe(4);
  });

  test("RFC 9111 §4.2.3: a Date in the future makes nothing younger than it is", async () => {
    expect(await freshFor(withControl("max-age=60", { date: site.date(500) }), 59, 61)).toBe(59);
  });

  test("RFC 9111 §4.2.3: the time that the response took counts towards the age", async () => {
    const resource = site.resource((_, response) => {
      site.wait(20);
      response.writeHead(200, { "cache-control": "max-age=60", age: "10", date: site.date() }).end("slow");
    });
    expect((await resource.get()).fields.age).toBe("30");
    site.wait(29);
    expect(await resource.get()).toMatchObject({ cache: "HIT", fields: { age: "59" } });
  });

  test("RFC 9111 §4.2.3: the age goes on while a response is stored", async () => {
    const resource = withControl("max-age=1000");
    await resource.get();
    for (const seconds of [1, 60, 900]) {
      const before = Number((await resource.get()).fields.age);
      site.wait(seconds);
      expect(Number((await resource.get()).fields.age)).toBe(before + seconds);
    }
  });

  test("RFC 9111 §5.1: of several members of Age the first counts, and what is no number is ignored", async () => {
    expect(await freshFor(withControl("max-age=60", { age: "50, 5" }), 9, 11)).toBe(9);
    for (const age of ["x", "-5", "5.5", "", "0x10"]) {
      const lines = ["HTTP/1.1 200 OK", `Date: ${site.date()}`, "Cache-Control: max-age=60", `Age: ${age}`];
      expect(await freshFor(site.resource(asWritten([...lines, "Content-Length: 0"])), 59), age).toBe(59);
    }
  });

  test("RFC 9111 §1.2.2: an Age beyond 2147483648 is taken for that", async () => {
    const got = await withControl("max-age=60", { age: "99999999999", etag: '"1"' }).get();
    expect(got.fields.age).toBe("2147483648");
  });

  test("RFC 9111 §4.2.3: after a validation the age begins anew", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "max-age=60", etag: '"1"', age: "50" } },
      { status: 304, fields: { "cache-control": "max-age=60", etag: '"1"' } },
    );
    await resource.get();
    site.wait(11);
    expect((await resource.get()).cache).toBe("REVALIDATED");
    site.wait(7);
    expect(await resource.get()).toMatchObject({ cache: "HIT", fields: { age: "7" } });
  });
});
