import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { parseRules } from "../../../src/config/rules.js";
import { usePage } from "./page-harness.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LONG = "http-responses-of-a-shop:".repeat(12);

const site = usePage({
  answer: (_request, response) => {
    response
      .writeHead(200, { "cache-control": "max-age=60, stale-while-revalidate=60", "x-long": "x".repeat(300) })
      .end("hello");
  },
  rules: parseRules(JSON.stringify([{ pattern: `/${"long/".repeat(30)}*`, ttl: "1d", tags: ["static"] }]), "a test"),
});

beforeAll(async () => {
  await site.cache.set(
    "json",
    { name: "Anna", numbers: [1, 2, 3], yes: true, none: null },
    { tags: ["users", LONG.slice(0, 200)] },
  );
  await site.cache.set(LONG, "x".repeat(5000), { ttl: null });
  await fetch(`${site.proxy}/page`);
  await fetch(`${site.proxy}/page`);
});

interface Shown {
  hash: () => string;
  /** When all of it is there. */
  ready: (page: Page) => Promise<unknown>;
}

const SCREENS: Record<string, Shown> = {
  overview: { hash: () => "#/overview", ready: (page) => page.getByText("Live", { exact: true }).waitFor() },
  entries: { hash: () => "#/entries", ready: (page) => page.getByRole("link", { name: "json" }).waitFor() },
  entry: { hash: () => "#/entry?key=json", ready: (page) => page.getByText('"Anna"').waitFor() },
  "a long key": { hash: () => `#/entry?key=${LONG}`, ready: (page) => page.getByText("xxxx").waitFor() },
  response: {
    hash: () => `#/entry?key=${encodeURIComponent(`r:GET ${site.proxy}/page`)}`,
    ready: (page) => page.getByText("max-age=60, stale").waitFor(),
  },
  edit: {
    hash: () => "#/entry?key=json",
    ready: (page) => page.getByRole("button", { name: "Edit" }).click(),
  },
  invalidate: {
    hash: () => "#/invalidate?what=entries&match=*",
    ready: async (page) => {
      await page.getByRole("button", { name: "Dry run" }).click();
      await page.getByText(/That is/).waitFor();
    },
  },
  "question about many": {
    hash: () => "#/invalidate?what=entries&match=*o*",
    ready: async (page) => {
      await page.getByRole("button", { name: "Delete…" }).click();
      await page.getByRole("dialog").getByText("entries", { exact: false }).first().waitFor();
    },
  },
  question: {
    hash: () => "#/invalidate?what=all",
    ready: async (page) => {
      await page.getByRole("button", { name: "Delete…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  rules: {
    hash: () => `#/rules?url=${encodeURIComponent(`${site.proxy}/page`)}`,
    ready: (page) => page.getByText("Look at it").waitFor(),
  },
};

/** What axe-core finds, by WCAG 2.2 AA and what else is called good practice. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
  );
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

test.each(Object.entries(SCREENS))(
  "%s: can be used by everybody, in the light and in the dark, and at 360 points",
  async (_, { hash, ready }) => {
    const page = await site.open(hash(), { colorScheme: "light" });
    await ready(page);
    expect(await violations(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate(WIDTHS)).toEqual([360, []]);
    expect(await violations(page)).toEqual([]);
  },
);

/** How wide the page is, and what of it is cut off. What scrolls by itself is not. */
const WIDTHS = `[
  document.documentElement.scrollWidth,
  [...document.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > 361 && !one.closest(".value"))
    .map((one) => one.outerHTML.slice(0, 200)),
]`;

test("the login can be used by everybody", async () => {
  const page = await site.open("", { as: null });
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("does not know").waitFor();
  expect(await violations(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await violations(page)).toEqual([]);
});

test("a theme is chosen, and stays", async () => {
  const page = await site.open("#/rules", { colorScheme: "light" });
  const ground = () => page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
  const light = await ground();
  const button = page.getByRole("button", { name: "Theme" });
  await button.click();
  await button.click();
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.reload();
  await page.getByText("otto").waitFor();
  expect(await ground()).toBe(dark);
});
