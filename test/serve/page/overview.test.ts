import { expect, test } from "vitest";
import { tokenEntry } from "../../../src/config/admin-tokens.js";
import { until } from "../../support/until.js";
import { usePage } from "./page-harness.js";

const site = usePage();

/** For a machine that has other things to do: a point comes every 2 s. */
const PATIENCE = { timeoutMs: 15_000 };

/** The figures of the API. */
async function stats() {
  const headers = { authorization: `Bearer ${site.tokens.viewer}` };
  const answer = await fetch(`${site.url}/cache/stats`, { headers });
  return (await answer.json()) as { totalHits: number; totalMisses: number; memory: { size: number } };
}

test("figures go on by themselves, and are those of the API", async () => {
  const page = await site.open("#/overview", { as: "viewer" });
  await page.getByText("Live", { exact: true }).waitFor();
  for (let i = 0; i < 12; i += 1) await (await fetch(`${site.proxy}/figures/${i % 3}`)).text();
  await until(async () => (await stats()).totalHits === 9, PATIENCE);
  const { totalHits, totalMisses, memory } = await stats();
  const rate = `${((totalHits / (totalHits + totalMisses)) * 100).toFixed(1)}%`;
  await page.getByText(`${rate} of all ${totalHits + totalMisses} lookups`).waitFor();
  const tier = page.getByRole("article", { name: "Tier memory" });
  expect(await tier.getByText("Healthy").isVisible()).toBe(true);
  const entries = tier.locator("div", { has: page.getByText("Entries", { exact: true }) }).locator("dd");
  await until(async () => (await entries.textContent()) === String(memory.size), PATIENCE);
  expect(await page.getByRole("article", { name: "Tier sqlite" }).getByText("sqlite:").isVisible()).toBe(true);
  // A viewer has nothing here that would be refused.
  expect(await page.getByRole("main").getByRole("button").allTextContents()).toEqual(["Tables"]);
});

test("who does not see a chart is told what it shows, and gets its figures as a table", async () => {
  const page = await site.open("#/overview");
  const chart = page.getByRole("img", { name: /^Requests a second, a second: HIT .* at the end, at most / });
  await chart.waitFor();
  expect(await chart.locator("canvas").count()).toBe(1);
  await page.getByRole("radio", { name: "5 min", exact: true }).focus();
  await page.keyboard.press("ArrowRight");
  expect(await page.getByRole("radio", { name: "15 min" }).isChecked()).toBe(true);
  const tables = page.getByRole("button", { name: "Tables" });
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Tables");
  await page.keyboard.press("Enter");
  expect(await tables.getAttribute("aria-pressed")).toBe("true");
  expect(await page.getByRole("table").count()).toBe(6);
  const table = page.getByRole("table", { name: /^Hit rate, share of lookups/ });
  expect(await table.getByRole("columnheader").allTextContents()).toEqual(["Time", "Together", "memory", "sqlite"]);
  expect(await table.getByRole("rowheader").first().textContent()).toMatch(/^\d\d:\d\d:\d\d$/);
  await page.keyboard.press("Enter");
  await chart.waitFor();
});

test("what the monitor warns of is there, and when", async () => {
  const page = await site.open("#/overview");
  await page.getByText("Live", { exact: true }).waitFor();
  for (let i = 0; i < 150; i += 1) await site.cache.get(`absent:${i}`);
  await page.getByText("The monitor warns: few lookups are hits.").waitFor();
  const happened = page.getByRole("region", { name: "What happened" });
  await happened.getByText(/^the hit rate is \d+\.\d%, below/).waitFor();
});

test("a connection that is lost is said to be, and made again", async () => {
  const page = await site.open("#/overview");
  await page.getByText("Live", { exact: true }).waitFor();
  await page.route("**/events", (route) => route.abort());
  await page.reload();
  await page.getByText("Not connected: the server does not answer. Trying again…").waitFor();
  await page.unroute("**/events");
  await page.getByText("Live", { exact: true }).waitFor();
});

test("who is not let in any more has to log in again", async () => {
  const page = await site.open("#/overview", { as: "viewer" });
  await page.getByText("Live", { exact: true }).waitFor();
  const { viewer, operator } = site.tokens;
  site.server.useTokens([tokenEntry(operator, "otto", "operator")]);
  await page.getByRole("button", { name: "Log in" }).waitFor();
  site.server.useTokens([tokenEntry(viewer, "vera", "viewer"), tokenEntry(operator, "otto", "operator")]);
  expect((await page.getByRole("heading").allTextContents()).join()).toBe("Cache");
});
