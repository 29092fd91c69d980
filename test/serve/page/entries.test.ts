import { beforeAll, describe, expect, test } from "vitest";
import { usePage } from "./page-harness.js";

const page = usePage((_request, response) => {
  response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
});

beforeAll(async () => {
  await page.cache.setMany(
    Array.from({ length: 120 }, (_, i) => [`user:${i}:profile`, { id: i }] as const),
    { tags: ["users"] },
  );
});

describe("entries", () => {
  test("are searched", async () => {
    const view = await page.open("#/entries?prefix=user:1");
    await view.getByRole("link", { name: "user:1:profile" }).click();
    await view.getByText('"id"').waitFor();
    await view.screenshot({ path: "/tmp/pb-entry.png", fullPage: true });
    await view.goto(`${page.url}/#/entries`);
    await view.getByRole("heading", { name: "Entries 1 to 50" }).waitFor();
    await view.screenshot({ path: "/tmp/pb-entries.png" });
    await view.goto(`${page.url}/#/invalidate?what=entries&prefix=user:`);
    await view.getByRole("button", { name: "Dry run" }).click();
    await view.getByText("120 entries").waitFor();
    await view.screenshot({ path: "/tmp/pb-invalidate.png" });
    await view.goto(`${page.url}/#/rules?url=${encodeURIComponent(`${page.proxy}/a`)}`);
    await view.getByText("Stored now").waitFor();
    await view.screenshot({ path: "/tmp/pb-rules.png" });
    expect(1).toBe(1);
  });
});
