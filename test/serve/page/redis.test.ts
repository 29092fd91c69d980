import { Redis } from "ioredis";
import { afterAll, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { usePage } from "./page-harness.js";

let server: RedisServer | undefined;
let redis: Redis | undefined;
const site = usePage({
  async store() {
    server = await startRedis();
    redis = new Redis({ host: server.host, port: server.port });
    return server.url;
  },
  namespace: "",
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
});

/** Longer than any that this program writes, and with characters that take nine signs of an address each. */
const LONG = `long:${"ключ→".repeat(1100)}`;
const NO_TEXT = Buffer.from([0x6b, 0xff, 0x80, 0x3a, 0xc3]);

test("keys that others wrote: bytes that are no text, 10 KB of them, and other types", async () => {
  await redis?.set(LONG, "of a long key");
  await redis?.set(NO_TEXT, "of no text");
  await redis?.hset("hash", "<b>field</b>", "value\u202e");
  const page = await site.open("#/entries");
  await page.getByText("3 entries, and no more.").waitFor();

  await page.getByRole("link", { name: "k\\xff\\x80:\\xc3" }).click();
  await page.getByText("of no text").waitFor();
  await page.reload();
  await page.getByText("of no text").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("status").getByText("Deleted k\\xff\\x80:\\xc3.").waitFor();
  expect(await redis?.exists(NO_TEXT)).toBe(0);

  await page.getByRole("link", { name: /^long:ключ→/ }).click();
  await page.getByText("of a long key").waitFor();
  await page.reload();
  await page.getByText("of a long key").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page
    .getByRole("status")
    .getByText(/^Deleted long:/)
    .waitFor();
  expect(await redis?.exists(LONG)).toBe(0);

  await page.getByRole("link", { name: "hash" }).click();
  await page.getByRole("heading", { name: "hash of 1" }).waitFor();
  await page.getByText('["<b>field</b>","value\\u{202e}"]').waitFor();
  expect(await page.getByRole("button", { name: "Delete" }).count()).toBe(0);
});

test("without a namespace everything is the whole database, by its name", async () => {
  await redis?.set("of somebody", "1");
  const page = await site.open("#/invalidate?what=all");
  await page.getByRole("button", { name: "Delete…" }).click();
  const target = (await page.getByRole("dialog").locator("code").textContent()) ?? "";
  expect(target).toBe(`${server?.url}/0`);
  await page.getByLabel("Type its name").fill(target);
  await page.keyboard.press("Enter");
  await page
    .getByText(/^Deleted 1 entry of redis:/)
    .first()
    .waitFor();
  expect(await redis?.exists("of somebody")).toBe(0);
});
