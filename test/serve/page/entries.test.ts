import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { until } from "../../support/until.js";
import { usePage } from "./page-harness.js";

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC",
  "base64",
);
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>';

const site = usePage({
  answer: (request, response) => {
    const fields = {
      "cache-control": "max-age=60, stale-while-revalidate=600",
      "content-type": "application/json",
      "x-note": "<script>alert(3)</script>",
    };
    response.writeHead(200, fields).end(JSON.stringify({ url: request.url }));
  },
});

const entry = (key: string) => `#/entry?key=${encodeURIComponent(key)}`;
const status = (page: Page) => page.getByRole("status");
const value = (page: Page) => page.getByRole("region", { name: /The value as/ });
const shown = async (page: Page) => (await value(page).textContent()) ?? "";
const bytesOf = async (key: string) => Buffer.from((await site.cache.getBytes(key, { peek: true })) ?? []).toString();

describe("the login", () => {
  test("lets in who has a token, and nobody else", async () => {
    const page = await site.open("#/entries?prefix=user:", { as: null });
    await page.getByLabel("Token").fill("x".repeat(43));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("This server does not know that token.").waitFor();
    await page.getByLabel("Token").fill(site.tokens.operator);
    await page.keyboard.press("Enter");
    // Where somebody was going he is.
    await page.getByRole("heading", { name: "Entries", level: 1 }).waitFor();
    expect(await page.evaluate("document.cookie + JSON.stringify(localStorage)")).not.toContain("cachectl-");
    await page.reload();
    await page.getByText("otto").waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    await page.reload();
    await page.getByLabel("Token").waitFor();
  });

  test("is asked for again when the token is taken away, and leads back to where one was", async () => {
    await site.cache.set("here", 1);
    const page = await site.open("#/entries?prefix=here");
    await page.getByRole("link", { name: "here" }).waitFor();
    site.server.useTokens([]);
    await page.getByRole("button", { name: "Search again" }).click();
    await page.getByLabel("Token").waitFor();
    site.server.useTokens(site.known);
    await page.getByLabel("Token").fill(site.tokens.viewer);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "here" }).waitFor();
  });

  test("a viewer sees nothing that would be refused", async () => {
    await site.cache.set("seen", { a: 1 });
    const page = await site.open(entry("seen"), { as: "viewer" });
    await page.getByText('"a"').waitFor();
    const buttons = async () => (await page.getByRole("button").allTextContents()).join();
    expect(await buttons()).not.toMatch(/Edit|Delete|stale/);
    await page.goto(`${site.url}/#/entries`);
    await page.getByRole("link", { name: "seen" }).waitFor();
    expect(await page.getByText("Invalidate these").count()).toBe(0);
    await page.goto(`${site.url}/#/invalidate?what=all`);
    await page.getByRole("button", { name: "Dry run" }).click();
    await page.getByText(/That is/).waitFor();
    expect(await buttons()).not.toMatch(/Delete|stale/);
    expect(await page.getByRole("checkbox").count()).toBe(0);
  });
});

describe("entries", () => {
  beforeAll(async () => {
    const many = Array.from({ length: 120 }, (_, i) => [`user:${i}:profile`, { id: i }] as const);
    await site.cache.setMany(many, { tags: ["users"] });
    await site.cache.set("post:1", "a", { tags: ["news, and more", "blog"], ttl: null });
    await site.cache.set("post:2", "b", { tags: ["blog"] });
  });
  const keys = (page: Page) => page.getByRole("rowheader").allTextContents();

  test("are searched by prefix, glob and tags, and paged", async () => {
    const page = await site.open("#/entries");
    await page.getByLabel("Key begins with").fill("user:");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Entries 1 to 50" }).waitFor();
    const seen = await keys(page);
    await page.getByRole("link", { name: "Next page" }).click();
    await page.getByRole("heading", { name: "Entries 51 to 100" }).waitFor();
    // Who reads on does so at the beginning of what is new.
    await until(async () => (await page.evaluate("document.activeElement.id")) === "found");
    seen.push(...(await keys(page)));
    await page.getByRole("link", { name: "Next page" }).click();
    await page.getByText("20 entries, and no more.").waitFor();
    seen.push(...(await keys(page)));
    expect(new Set(seen).size).toBe(120);
    await page.goBack();
    await page.getByRole("heading", { name: "Entries 51 to 100" }).waitFor();

    await page.getByLabel("Key begins with").fill("");
    await page.getByLabel("glob").fill("user:11?:*");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("10 entries, and no more.").waitFor();

    await page.getByLabel("glob").fill("");
    await page.getByLabel("Tags").fill("news\\, and more, blog");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("2 entries, and no more.").waitFor();
    await page.getByLabel("Of these tags").selectOption("all");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("1 entry, and no more.").waitFor();
    expect(await keys(page)).toEqual(["post:1"]);
    expect(await page.getByRole("row").last().textContent()).toContain("never expires");

    await page.getByLabel("glob").fill("[");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page
      .getByRole("alert")
      .getByText(/class without its closing bracket/)
      .waitFor();
    await page.getByLabel("glob").fill("nothing*");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("Nothing matches.").waitFor();
  });

  test("a tag leads to the entries that carry it, and a store can be looked into alone", async () => {
    const page = await site.open(entry("post:1"));
    await page.getByRole("link", { name: "news, and more" }).click();
    await page.getByText("1 entry, and no more.").waitFor();
    await page.goto(`${site.url}/#/entries?prefix=post:`);
    await page.getByText("2 entries").waitFor();
    await site.cache.clear({ tier: "memory" });
    await page.getByLabel("Store").selectOption("memory");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("Nothing matches.").waitFor();
    await page.getByLabel("Store").selectOption("sqlite");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.getByText("2 entries").waitFor();
  });
});

describe("a value", () => {
  test("of JSON is laid out, and its numbers stay as they are", async () => {
    await site.cache.setBytes(
      "json",
      Buffer.from('{"id":12345678901234567890,"one":1.0,"list":[],"b":[true,"<b>\\u202e"]}'),
    );
    const page = await site.open(entry("json"));
    await value(page).waitFor();
    expect(await shown(page)).toBe(
      '{\n  "id": 12345678901234567890,\n  "one": 1.0,\n  "list": [],\n  "b": [\n    true,\n    "<b>\\u202e"\n  ]\n}',
    );
    await page.getByText("Hex", { exact: true }).click();
    await until(async () => (await shown(page)).startsWith("00000000  7b 22 69 64"));
    await page.getByText("Text", { exact: true }).click();
    await until(async () => (await shown(page)).startsWith('{"id":12345678901234567890,'));
  });

  test.each([
    ["text, whatever is in it", "a\u202eb\u0007\r\nc\\n <b>", "a\\u{202e}b\\u{7}\r\nc\\n <b>"],
    ["a program as text", SVG, SVG],
    ["nothing", "", undefined],
    ["what is compressed", gzipSync("compressed text"), "compressed text"],
    ["bytes in hex", Buffer.from([0, 1, 0xff, 0x41]), `00000000  00 01 ff 41${" ".repeat(39)}...A`],
  ])("of %s", async (_, bytes, expected) => {
    await site.cache.setBytes("value", Buffer.from(bytes));
    const page = await site.open(entry("value"));
    if (expected === undefined) await page.getByText("The value is empty.").waitFor();
    else await until(async () => (await shown(page)) === expected, { timeoutMs: 10_000 });
  });

  test("of an image is drawn", async () => {
    await site.cache.setBytes("image", PNG);
    const page = await site.open(entry("image"));
    const image = page.getByRole("img", { name: "The value (image/png)" });
    await image.waitFor();
    expect(await image.getAttribute("src")).toMatch(/^blob:/);
    await until(() => page.evaluate("document.querySelector('figure img').naturalWidth === 10"));
    await site.cache.setBytes("image", Buffer.concat([PNG.subarray(0, 20), Buffer.alloc(20)]));
    await page.getByRole("button", { name: "Look again" }).click();
    await page.getByText("can't be drawn").waitFor();
  });

  test("that is large is shown in part, and downloaded whole", async () => {
    const large = "line of text\n".repeat(250_000);
    await site.cache.setBytes("large", Buffer.from(large));
    const page = await site.open(entry("large"));
    await page.getByText("These are the first 64.0 KB of 3.1 MB.").waitFor();
    expect((await shown(page)).length).toBe(65_536);
    await page.getByRole("button", { name: "Show more" }).click();
    await page.getByText("These are the first 1.0 MB of 3.1 MB.").waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("Download all of it").click()]);
    const pieces: Buffer[] = [];
    for await (const piece of await download.createReadStream()) pieces.push(piece);
    expect(Buffer.concat(pieces).toString() === large).toBe(true);
  });

  test("of a response has its status and fields, which are text", async () => {
    await fetch(`${site.proxy}/news`);
    const page = await site.open(`#/entries?prefix=${encodeURIComponent("r:GET ")}`);
    await page.getByRole("link", { name: /\/news$/ }).click();
    await page.getByRole("heading", { name: "HTTP response" }).waitFor();
    const field = (name: string) => page.getByRole("row", { name }).getByRole("cell").textContent();
    expect(await field("x-note")).toBe("<script>alert(3)</script>");
    expect(await field("content-type")).toBe("application/json");
    await page.getByText("1m (max-age)").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByText("The value is what the origin sent").waitFor();
  });
});

describe("an entry", () => {
  test("is edited: its value, its end and its tags", async () => {
    await site.cache.set("edited", { a: 1 }, { tags: ["old"] });
    const page = await site.open(entry("edited"));
    await page.getByRole("button", { name: "Edit" }).click();
    const field = page.getByLabel("Value", { exact: true });
    await until(async () => (await field.inputValue()) === '{"a":1}');
    await field.fill('{"a":2');
    await page.getByText("This is no JSON any more.").waitFor();
    await field.fill('{"a":2}');
    await page.getByLabel("Time left").selectOption("in");
    await page.getByLabel("Expires in").fill("soon");
    await page.getByRole("button", { name: "Save" }).click();
    await page
      .getByRole("alert")
      .getByText(/"soon" is not a duration/)
      .waitFor();
    await page.getByLabel("Expires in").fill("2h");
    await page.getByLabel("Tags, with commas").fill("new, a\\,b");
    await page.getByRole("button", { name: "Save" }).click();
    await status(page).getByText("Saved.").waitFor();
    expect(await bytesOf("edited")).toBe('{"a":2}');
    const [stored] = await site.cache.readMany(["edited"], { want: "all", peek: true });
    expect(stored?.tags).toEqual(["new", "a,b"]);
    expect((stored?.expiresAt ?? 0) - Date.now()).toBeGreaterThan(7_100_000);
  });

  test("is not overwritten where somebody else was quicker", async () => {
    await site.cache.set("raced", 1);
    const page = await site.open(entry("raced"));
    await page.getByRole("button", { name: "Edit" }).click();
    await site.cache.set("raced", 2);
    await page.getByLabel("Value", { exact: true }).fill("3");
    await page.getByRole("button", { name: "Save" }).click();
    await page
      .getByRole("alert")
      .getByText(/no longer the one that was looked at/)
      .waitFor();
    expect(await bytesOf("raced")).toBe("2");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Edit" }).waitFor();
  });

  test("is made stale, and deleted", async () => {
    await fetch(`${site.proxy}/stale`);
    const key = `r:GET ${site.proxy}/stale`;
    const page = await site.open(entry(key));
    await page.getByText(/stale in/).waitFor();
    await page.getByRole("button", { name: "Make stale" }).click();
    await status(page)
      .getByText(/is stale from now on/)
      .waitFor();
    await page.getByText("stale", { exact: true }).waitFor();
    expect(await page.getByRole("button", { name: "Make stale" }).count()).toBe(0);
    await until(async () => (await fetch(`${site.proxy}/stale`)).headers.get("x-cache") === "STALE");
    await page.getByRole("button", { name: "Delete" }).click();
    await status(page)
      .getByText(/^Deleted r:GET/)
      .waitFor();
    await page.getByRole("heading", { name: "Entries", level: 1 }).waitFor();
    expect(await site.cache.has(key)).toBe(false);
    await page.goto(`${site.url}/${entry(key)}`);
    await page.getByText("It was deleted, or has expired.").waitFor();
  });
});

describe("hostile keys", () => {
  const KEYS = [
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    '"><img src=x onerror=alert(1)>',
    "a\u202eb\u2066c",
    "line\nbreak\ttab\u0007",
    "../..%2f?key=other&raw=true#/overview",
    "back\\slash\\n \\u202e +%20 ü",
    "__proto__",
    "x".repeat(1000),
  ];

  test("and tags are shown as text, and their links lead to them", async () => {
    await site.cache.invalidate({ all: true });
    for (const [i, key] of KEYS.entries()) await site.cache.set(key, i, { tags: ["<script>alert(2)</script>"] });
    const page = await site.open("#/entries");
    await page.getByText(`${KEYS.length} entries, and no more.`).waitFor();
    const links = await page.getByRole("rowheader").getByRole("link").all();
    const hrefs = await Promise.all(links.map((link) => link.getAttribute("href")));
    expect(hrefs).toHaveLength(KEYS.length);
    expect(await page.getByRole("rowheader").allTextContents()).toEqual(
      expect.arrayContaining(["<script>alert(1)</script>", "a\\u{202e}b\\u{2066}c", "line\\nbreak\\ttab\\u{7}"]),
    );
    const seen: string[] = [];
    for (const href of hrefs) {
      await page.goto(`${site.url}/${href}`);
      await value(page).waitFor();
      seen.push(await shown(page));
    }
    expect(seen.sort()).toEqual(KEYS.map((_, i) => String(i)).sort());
    expect(await page.evaluate("document.scripts.length")).toBe(1);
    await page.getByRole("link", { name: "<script>alert(2)</script>" }).click();
    await page.getByText(`${KEYS.length} entries`).waitFor();
  });

  test("in an address that nobody made here", async () => {
    const page = await site.open("#/entry?key=%ff%zz&key=2&tier=%3Cscript%3E");
    await page
      .getByRole("alert")
      .getByText(/there is no tier "<script>"/)
      .waitFor();
    for (const hash of [
      "#/entry",
      "#/%00",
      "#/entries?cursor=nonsense",
      "#/entries?from=-1e9",
      "#<img src=x onerror=alert(1)>",
    ]) {
      await page.goto(`${site.url}/${hash}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
    }
  });
});
