import type { Page } from "playwright-core";
import { beforeEach, describe, expect, test } from "vitest";
import { parseRules } from "../../../src/config/rules.js";
import { until } from "../../support/until.js";
import { usePage } from "./page-harness.js";

const RULES = [
  { pattern: "/static/*", ttl: "1d", tags: ["static"] },
  { pattern: "/account*", bypass: true },
  { pattern: "/api/*", ttl: "30s", swr: "1m", vary: { cookies: ["sid"] }, query: { sort: true, ignore: ["utm_*"] } },
];

const site = usePage({
  answer: (request, response) => {
    const fields = { "cache-control": "max-age=60, stale-while-revalidate=600", "surrogate-key": "pages" };
    response.writeHead(200, fields).end(`page ${request.url}`);
  },
  rules: parseRules(JSON.stringify(RULES), "a test"),
});

const count = async (prefix: string) => (await site.cache.countWhere({ prefix })).count;
const cacheOf = async (path: string) => (await fetch(site.proxy + path)).headers.get("x-cache");
const dialog = (page: Page) => page.getByRole("dialog");
const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

beforeEach(async () => {
  await site.cache.invalidate({ all: true });
  const many = Array.from({ length: 25 }, (_, i) => [`user:${i}`, i] as const);
  await site.cache.setMany(many, { tags: ["users"] });
  await site.cache.setMany([["other:1", 1] as const], { tags: ["users", "more"] });
});

describe("invalidation", () => {
  test("many are counted and shown first, then asked about", async () => {
    const page = await site.open("#/invalidate");
    expect(await page.getByRole("button", { name: "Dry run" }).isDisabled()).toBe(true);
    await page.getByLabel("Key begins with").fill("user:");
    await press(page, "Dry run");
    await page.getByText("That is 25 entries of shop:").waitFor();
    expect(await page.getByRole("region", { name: "Dry run" }).getByRole("link").count()).toBe(10);
    expect(await count("user:")).toBe(25);
    await press(page, "Delete…");
    await dialog(page).getByText("25 entries", { exact: true }).waitFor();
    await page.getByRole("dialog", { name: "Delete entries that begin with user:" }).waitFor();
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    expect(await count("user:")).toBe(25);
    await press(page, "Delete…");
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    await page.getByText("Deleted 25 entries of shop.").first().waitFor();
    expect([await count("user:"), await count("other:")]).toEqual([0, 1]);
    await press(page, "Delete…");
    await page.getByText("That is no entry of shop.").waitFor();
    expect(await dialog(page).count()).toBe(0);
  });

  test("what was counted of another selection is not shown", async () => {
    const page = await site.open("#/invalidate?what=all");
    await press(page, "Dry run");
    await page.getByText("That is 26 entries of shop:").waitFor();
    await page.getByRole("link", { name: "Invalidate", exact: true }).click();
    await page.getByText("That is 26 entries of shop:").waitFor({ state: "detached" });
    expect(await page.getByRole("button", { name: "Dry run" }).isDisabled()).toBe(true);
  });

  test("by tags, of which all must be there", async () => {
    const page = await site.open("#/invalidate");
    await page.getByLabel("Tags").fill("users, more");
    await press(page, "Dry run");
    await page.getByText("That is 26 entries").waitFor();
    await page.getByLabel("Of these tags").selectOption("all");
    await press(page, "Delete…");
    await dialog(page).getByRole("button", { name: "Delete" }).click();
    await page.getByText("Deleted 1 entry of shop.").first().waitFor();
    expect([await count("user:"), await count("other:")]).toEqual([25, 0]);
  });

  test("everything needs the name of the target", async () => {
    const page = await site.open("#/invalidate");
    await page.getByText("Everything", { exact: true }).click();
    await press(page, "Delete…");
    const go = dialog(page).getByRole("button", { name: "Delete" });
    await go.waitFor();
    expect(await go.isDisabled()).toBe(true);
    await page.getByLabel("Type its name").fill("sho");
    expect(await go.isDisabled()).toBe(true);
    await page.getByLabel("Type its name").fill("shop");
    await page.keyboard.press("Enter");
    await page.getByText("Deleted 26 entries of shop.").first().waitFor();
    expect(await count("user:")).toBe(0);
  });

  test("a glob that no key can miss is everything, too", async () => {
    const page = await site.open("#/invalidate?what=entries&match=**");
    await press(page, "Delete…");
    await page.getByLabel("Type its name").waitFor();
    await dialog(page).getByRole("button", { name: "Cancel" }).click();
    expect(await count("user:")).toBe(25);
  });

  test("a URL goes with its variants and without a question, other responses after one", async () => {
    for (const path of ["/a", "/b", "/b/c"]) await cacheOf(path);
    const page = await site.open("#/invalidate");
    await page.getByText("HTTP responses", { exact: true }).click();
    await page.getByLabel("URLs, one a line").fill(`${site.proxy}/a\n`);
    await press(page, "Delete…");
    await page.getByText("Deleted 1 entry of shop.").first().waitFor();
    expect([await cacheOf("/a"), await cacheOf("/b")]).toEqual(["MISS", "HIT"]);
    await page.getByText("Glob", { exact: true }).click();
    await page.getByLabel("Glob on paths").fill("/b*");
    await page.getByRole("checkbox").check();
    await press(page, "Make stale…");
    await dialog(page).getByText("2 entries", { exact: true }).waitFor();
    await dialog(page).getByRole("button", { name: "Make stale" }).click();
    await page.getByText("Made 2 stale, deleted 0 entries of shop.").first().waitFor();
    await until(async () => (await cacheOf("/b")) === "STALE");
    await page.getByText("URL", { exact: true }).click();
    await page.getByLabel("URLs, one a line").fill("ftp://nothing");
    await press(page, "Dry run");
    await page
      .getByRole("alert")
      .getByText(/is no http or https URL/)
      .waitFor();
  });

  test("what was searched for is brought along", async () => {
    const page = await site.open("#/entries?prefix=user:&tags=users");
    await page.getByRole("link", { name: "Invalidate these…" }).click();
    await page.getByRole("heading", { name: "Invalidate", level: 1 }).waitFor();
    expect(await page.getByLabel("Key begins with").inputValue()).toBe("user:");
    expect(await page.getByLabel("Tags").inputValue()).toBe("users");
    await press(page, "Dry run");
    await page.getByText("That is 25 entries").waitFor();
  });

  test("with the keyboard alone", async () => {
    const page = await site.open("#/overview");
    const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()");
    const tabTo = async (what: () => Promise<boolean>) => {
      for (let i = 0; i < 40; i += 1) {
        await page.keyboard.press("Tab");
        if (await what()) return;
      }
      throw new Error(`the keyboard does not get there, but to ${await focused()}`);
    };
    await page.getByText("otto").waitFor();
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to the content");
    await tabTo(async () => (await focused()) === "Invalidate");
    await page.keyboard.press("Enter");
    // Who does not see the page hears where he is.
    await until(async () => (await page.evaluate("document.activeElement.tagName")) === "H1");
    await tabTo(
      async () => (await page.evaluate("document.activeElement.labels?.[0]?.textContent")) === "Key begins with",
    );
    await page.keyboard.type("user:1");
    await tabTo(async () => (await focused()) === "Delete…");
    await page.keyboard.press("Enter");
    await dialog(page).waitFor();
    // It is not left before it is answered.
    const isInside = () => page.evaluate("document.querySelector('dialog').contains(document.activeElement)");
    expect(await isInside()).toBe(true);
    for (let i = 0; i < 4 && (await focused()) !== "Delete"; i += 1) await page.keyboard.press("Tab");
    expect(await focused()).toBe("Delete");
    await page.keyboard.press("Enter");
    await page.getByText("Deleted 11 entries of shop.").first().waitFor();
    // And goes on with what became of it.
    await until(async () => (await focused()).startsWith("Deleted 11"));
    expect(await count("user:")).toBe(14);
  });
});

describe("rules", () => {
  test("are shown, and which of them a request would meet", async () => {
    await cacheOf("/static/app.js");
    const page = await site.open("#/rules");
    const rules = page.getByRole("region", { name: "In force" });
    await rules.getByText("/static/*").waitFor();
    expect(await rules.getByRole("listitem").filter({ hasText: "rules[" }).count()).toBe(3);
    await page.getByLabel("URL").fill(`${site.proxy}/static/app.js`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "rules[0]: may be cached" }).waitFor();
    expect(await rules.getByRole("listitem").filter({ hasText: "this one counts" }).textContent()).toContain(
      "/static/*",
    );
    await page.getByRole("link", { name: "Look at it" }).click();
    await page.getByText("page /static/app.js").waitFor();
    await page.getByRole("link", { name: "Which rule?" }).click();
    await page.getByRole("heading", { name: "rules[0]: may be cached" }).waitFor();

    await page.getByLabel("URL").fill(`${site.proxy}/account`);
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("heading", { name: "rules[1]: is not cached" }).waitFor();
    await page.getByLabel("URL").fill(`${site.proxy}/api/b?b=1&utm_source=x&a=2`);
    await page.getByLabel("Header fields").fill("Cookie: sid=1\nAccept: text/html");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByText(`r:GET ${site.proxy}/api/b?a=2&b=1`, { exact: true }).waitFor();
    await page.getByLabel("URL").fill("no URL");
    await page.getByRole("button", { name: "Explain" }).click();
    await page
      .getByRole("alert")
      .getByText(/is no http or https URL/)
      .waitFor();
  });
});
