import { beforeAll, describe, expect, test } from "vitest";
import { useBrowser } from "../support/browser.js";
import { Workspace } from "../support/workspace.js";

const browser = useBrowser();
const work = new Workspace();
const url = `file://${work.path("r.html")}`;

beforeAll(async () => {
  const cells = ["--workload", "get,batch", "--ops", "40", "--keys", "10", "--warm-up", "0", "--concurrency", "2"];
  const stores = ["-s", "memory:", "-s", "sqlite:./<b>&amp;\u202e/c.db", "-s", "memory: sqlite:./other.db"];
  const { code, stderr } = await work.bare(["bench", ...cells, ...stores, "--html", "r.html"]);
  if (code !== 0) throw new Error(stderr);
});

/** Whether all of an element is inside another one, also on its right. */
const WIDE =
  "[...document.querySelectorAll('h1, h2, h3, p, svg.plot')].filter((one) => one.getBoundingClientRect().right > innerWidth).length";

describe("the page of a report", () => {
  test("asks for nothing, complains of nothing, and shows every store in every measurement", async () => {
    const page = await browser.open(url);
    expect(await page.title()).toBe("cache bench: memory, sqlite, memory over sqlite");
    expect(await page.locator("section").count()).toBe(3);
    for (const section of await page.locator("section").all()) {
      expect(await section.locator("tbody tr").count()).toBe(3);
      expect(await section.locator("svg.plot .line").count()).toBe(3);
      expect(await section.locator("svg.bar rect").count()).toBe(3);
    }
    const longest = await page
      .locator("section")
      .first()
      .locator("svg.bar rect")
      .evaluateAll((bars) => Math.max(...bars.map((bar) => bar.getBoundingClientRect().width)));
    expect(longest).toBeGreaterThan(100);
    expect(await page.getByRole("img", { name: "Latency by percentile: get · 1.0 kB · 2 at once" }).count()).toBe(1);
  });

  test("shows names as text", async () => {
    const page = await browser.open(url);
    expect(await page.locator("b").count()).toBe(0);
    expect(await page.locator("main").innerText()).toContain("<b>&amp;\\u202e/c.db");
  });

  test("is dark where that is preferred, and fits a phone and paper", async () => {
    const back = "getComputedStyle(document.body).backgroundColor";
    const light = await browser.open(url, { colorScheme: "light", viewport: { width: 360, height: 700 } });
    const dark = await browser.open(url, { colorScheme: "dark" });
    expect([await light.evaluate(back), await dark.evaluate(back)]).toEqual(["rgb(255, 255, 255)", "rgb(23, 23, 26)"]);
    expect(await light.evaluate(WIDE)).toBe(0);
    expect(await light.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    await dark.emulateMedia({ media: "print", colorScheme: "dark" });
    expect(await dark.evaluate(back)).toBe("rgb(255, 255, 255)");
  });
});
