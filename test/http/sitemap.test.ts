import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UrlList } from "../../src/http/sitemap.js";

function read(text: string, pieces = [text]) {
  const list = new UrlList();
  const urls = pieces.flatMap((piece) => list.push(piece));
  urls.push(...list.end());
  return { kind: list.kind, urls };
}

const SITEMAP = `\ufeff<?xml version="1.0" encoding="UTF-8"?>
<!-- <url><loc>https://example.com/in-a-comment</loc></url> -->
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url>
    <loc>
      https://example.com/a?x=1&amp;y=2
    </loc>
    <image:image><image:loc>https://example.com/a.png</image:loc></image:image>
    <lastmod>2026-01-01</lastmod>
  </url>
  <url><loc><![CDATA[https://example.com/b?x=1&y=2]]></loc></url>
  <url><loc>https://example.com/&#x63;&#100;</loc></url><url><loc/></url><url><loc></loc></url>
</urlset>`;

const URLS = ["https://example.com/a?x=1&y=2", "https://example.com/b?x=1&y=2", "https://example.com/cd"];

describe("lists of URLs", () => {
  test("a text has one a line", () => {
    const text = "\r\n# pages\nhttps://example.com/a\r\n\n  https://example.com/b  \nhttps://example.com/c";
    const urls = ["a", "b", "c"].map((name) => `https://example.com/${name}`);
    expect(read(text)).toEqual({ kind: "text", urls });
    expect(read("")).toEqual({ kind: undefined, urls: [] });
  });

  test("a sitemap has them in loc, and not in those of other namespaces nor in comments", () => {
    expect(read(SITEMAP)).toEqual({ kind: "sitemap", urls: URLS });
  });

  test("an index of sitemaps says that it is one", () => {
    const index = "<sitemapindex><sitemap><loc>https://example.com/1.xml</loc></sitemap></sitemapindex>";
    expect(read(index)).toEqual({ kind: "index", urls: ["https://example.com/1.xml"] });
  });

  test("are the same however they are cut", () => {
    const cuts = fc.array(fc.integer({ min: 0, max: SITEMAP.length }), { maxLength: 40 });
    fc.assert(
      fc.property(cuts, (places) => {
        const all = [0, ...places.sort((a, b) => a - b), SITEMAP.length];
        const pieces = all.slice(1).map((end, i) => SITEMAP.slice(all[i], end));
        expect(read(SITEMAP, pieces)).toEqual({ kind: "sitemap", urls: URLS });
      }),
      { numRuns: 300 },
    );
    expect(read(SITEMAP, [...SITEMAP])).toEqual({ kind: "sitemap", urls: URLS });
  });

  test("entities of the document's own are not expanded", () => {
    const lol =
      '<!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>https://x/&b;</loc></url></urlset>';
    expect(read(lol).urls).toEqual(["https://x/&b;"]);
  });

  test.each([
    ["tags that never end", `<${"a".repeat(100)}`],
    ["CDATA that never ends", "<loc><![CDATA[aaaa"],
    ["a URL that never ends", "<loc>aaaaaaaaaaaa"],
    ["comments that never end", "<!-- aaaaaaaaaaaa"],
    ["references that never end", "<loc>&amp&amp&#&#x"],
    ["lines that never end", "https://example.com/"],
    ["brackets", "<<<<<<<<<<<<<<<"],
    ["loc in loc", "<loc><loc><loc></loc>"],
  ])("%s cost one pass and little memory", (_what, text) => {
    const list = new UrlList();
    const began = performance.now();
    let longest = 0;
    const first = text.startsWith("<") ? `<urlset>${text}` : text;
    for (let i = 0; i < 20_000; i++) {
      for (const url of list.push(i === 0 ? first : text.slice(1).repeat(10))) longest = Math.max(longest, url.length);
    }
    list.end();
    expect(longest).toBeLessThanOrEqual(8192);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test("what is no XML, and anything else, gives no exception", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom("<", ">", "loc", "/", "&", ";", "#", "x", "!--", "--", "[CDATA[", "]]", " ", "a", "\n"),
        ),
        (parts) => {
          read(`<${parts.join("")}`);
          read(parts.join(""), parts);
        },
      ),
    );
  });
});
