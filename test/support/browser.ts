import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";

/** What Debian and others call it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Milliseconds that a click or a look waits for what it is about; the machine may be busy. */
const PATIENCE_MS = 15_000;

/** A browser of a test file's own. */
export interface TestBrowser {
  /** A new window with cookies of its own; it is closed when the test ends, which fails if the page had something to complain of. */
  open(url: string, options?: BrowserContextOptions): Promise<Page>;
}

/** Starts a browser for the tests of a file, and ends it after them. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  const problems: string[] = [];
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterEach(async () => {
    for (const context of browser?.contexts() ?? []) await context.close();
    const found = problems.splice(0);
    if (found.length > 0) throw new Error(`the page complains:\n${found.join("\n")}`);
  });
  afterAll(async () => browser?.close());
  return {
    async open(url, options = {}) {
      if (browser === undefined) throw new Error("the browser has not been started");
      const context = await browser.newContext({ reducedMotion: "reduce", ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      const page = await context.newPage();
      await watch(page, url, (problem) => problems.push(problem));
      await page.goto(url);
      return page;
    },
  };
}

function startBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath: whereIs(NAMES),
    // Its sandbox does not work for root, nor its shared memory in many a container.
    args: [...(isRoot ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"],
  });
}

/** Tells of whatever no page of ours may do. */
async function watch(page: Page, url: string, tell: (problem: string) => void): Promise<void> {
  page.on("pageerror", (error) => tell(`an error that nobody caught: ${error.message}`));
  page.on("console", (message) => {
    // That a call was refused the browser writes down by itself; what the page makes of it is what the tests look at.
    if (message.type() === "error" && !/^Failed to load resource:/.test(message.text())) tell(message.text());
  });
  page.on("dialog", async (dialog) => {
    tell(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  const { origin } = new URL(url);
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (to.origin !== origin) tell(`a request to ${to.href.slice(0, 200)}`);
  });
  await page.addInitScript(
    `addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
      console.error("the policy forbids it:", violatedDirective, blockedURI, sample))`,
  );
}

function whereIs(names: readonly string[]): string {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
  if (found) return found;
  throw new Error(`there is no browser: none of ${names.join(", ")} (see scripts/test-deps.sh)`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
