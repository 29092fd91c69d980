import { trimmed } from "./field-syntax.js";

/** Characters of a URL at most: sitemaps.org wants fewer than 2,048, and no request target may be longer. */
const LONGEST_URL = 8192;
/** Characters of a tag, comment or the like that are looked at; the rest of a longer one is skipped. */
const LONGEST_MARKUP = 16_384;

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** What a list of URLs is: a text, one a line, or a sitemap, or an index of sitemaps (sitemaps.org protocol 0.9). */
export type ListKind = "text" | "sitemap" | "index";

/**
 * Reads the URLs of a list that comes in pieces. Time is that of one pass, and memory a URL and a tag. Of XML it knows what sitemaps are made of: elements, comments,
 * CDATA and the five named and all numeric references. Entities of the document's own are not expanded, other namespaces (`image:loc`) are passed over, and
 * what is no URL is left to the caller to refuse.
 */
export class UrlList {
  #kind: ListKind | undefined;
  /** What is not read yet. */
  #rest = "";
  /** Text of the `loc` that is open. */
  #location: string | undefined;
  /** What ends the markup that is passed over because it is too long, or a comment or CDATA. */
  #skipping: string | undefined;

  /** Undefined before the first character that says it. */
  get kind(): ListKind | undefined {
    return this.#kind;
  }

  /** @returns the URLs that have ended with this piece */
  push(piece: string): string[] {
    this.#rest += piece;
    if (this.#kind === undefined) {
      this.#rest = this.#rest.replace(/^[\ufeff\s]+/, "");
      if (this.#rest === "") return [];
      this.#kind = this.#rest.startsWith("<") ? "sitemap" : "text";
    }
    return this.#kind === "text" ? this.#lines(false) : this.#elements();
  }

  /** @returns the last URL of a text without a line feed at its end */
  end(): string[] {
    return this.#kind === "text" ? this.#lines(true) : [];
  }

  #lines(isLast: boolean): string[] {
    const lines = this.#rest.split("\n");
    const unfinished = isLast ? "" : (lines.pop() ?? "");
    // Of a line without end the beginning says enough: it is too long.
    this.#rest = unfinished.slice(0, LONGEST_URL + 1);
    return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#") && isShort(line));
  }

  #elements(): string[] {
    const found: string[] = [];
    const text = this.#rest;
    let at = 0;
    for (;;) {
      if (this.#skipping !== undefined) {
        const end = text.indexOf(this.#skipping, at);
        if (end < 0) {
          // What ends it may be cut in two.
          at = Math.max(at, text.length - this.#skipping.length + 1);
          break;
        }
        at = end + this.#skipping.length;
        this.#skipping = undefined;
      }
      const open = text.indexOf("<", at);
      this.#add(text.slice(at, open < 0 ? text.length : open), open < 0);
      at = open < 0 ? text.length - this.#unread : open;
      if (open < 0) break;
      const end = this.#markup(text, open, found);
      if (end === undefined) break;
      at = end;
    }
    this.#rest = text.slice(at);
    return found;
  }

  /** Characters at the end of the text that wait for more: a reference that may be cut in two. */
  #unread = 0;

  #add(text: string, isCut: boolean): void {
    this.#unread = 0;
    if (this.#location === undefined) return;
    const ampersand = isCut ? text.lastIndexOf("&") : -1;
    if (ampersand >= 0 && text.length - ampersand < LONGEST_REFERENCE && !text.includes(";", ampersand)) {
      this.#unread = text.length - ampersand;
    }
    this.#location = joined(this.#location, withoutReferences(text.slice(0, text.length - this.#unread)));
  }

  /** @returns where it ends; undefined where that is not known yet */
  #markup(text: string, open: number, found: string[]): number | undefined {
    if (text.startsWith("<!--", open)) {
      this.#skipping = "-->";
      return open + 4;
    }
    if (text.startsWith(CDATA, open)) {
      const end = text.indexOf("]]>", open);
      if (end < 0 && text.length - open < LONGEST_MARKUP) return undefined;
      if (end < 0) this.#skipping = "]]>";
      else if (this.#location !== undefined)
        this.#location = joined(this.#location, text.slice(open + CDATA.length, end));
      return end < 0 ? open + CDATA.length : end + 3;
    }
    if (
      text.length - open < CDATA.length &&
      (CDATA.startsWith(text.slice(open)) || "<!--".startsWith(text.slice(open)))
    )
      return undefined;
    const end = text.indexOf(">", open);
    if (end < 0 && text.length - open < LONGEST_MARKUP) return undefined;
    if (end < 0) {
      this.#skipping = ">";
      return open + 1;
    }
    this.#tag(text.slice(open + 1, end), found);
    return end + 1;
  }

  #tag(tag: string, found: string[]): void {
    const [, closing, name = ""] = /^(\/?)([^\s/>]*)/.exec(tag) ?? [];
    if (name === "sitemapindex" && this.#kind === "sitemap") this.#kind = "index";
    if (name !== "loc") return;
    if (closing === "") {
      this.#location = "";
      return;
    }
    const location = trimmed((this.#location ?? "").replace(/[\r\n]+/g, " "));
    this.#location = undefined;
    if (location !== "" && isShort(location)) found.push(location);
  }
}

const CDATA = "<![CDATA[";
/** `&#x10ffff;` and some leading zeros. */
const LONGEST_REFERENCE = 16;

function isShort(url: string): boolean {
  return url.length <= LONGEST_URL;
}

/** One that is too long stays so. */
function joined(before: string, more: string): string {
  return before.length > LONGEST_URL ? before : before + more.slice(0, LONGEST_URL + 1);
}

function withoutReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,8})|#x([0-9A-Fa-f]{1,8})|([a-z]{2,4}));/g, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : whole;
  });
}
