// Takes the pictures of the admin page in docs/images/: a shop behind `cache serve`, asked for some minutes by clients that come and go. Needs a build and chromium;
// takes five minutes.
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { Agent, createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, execPath, getuid, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const IMAGES = "docs/images";
/** Bytes that a picture may have. */
const LARGEST = 150_000;
/** Seconds of traffic before the first picture, and which are taken: all where none is named. */
const [SECONDS = 280, ...NAMES] = argv.slice(2);

const SHOP = "shop.example.com";
const AGENT = new Agent({ keepAlive: true });

const RULES = [
  { pattern: "/assets/*", ttl: "1d", tags: ["assets"], compress: true },
  { pattern: "/account*", bypass: true },
  {
    pattern: "/api/search*",
    ttl: "30s",
    swr: "2m",
    vary: { headers: ["accept-language"] },
    query: { sort: true, ignore: ["utm_*"] },
  },
  { pattern: "/api/*", ttl: "2m", swr: "10m", sie: "1h", tags: ["api"] },
];

/** A shop: some of it is slow, some of it fails. */
function answer(request, response) {
  const { pathname } = new URL(request.url ?? "/", "http://shop");
  const [, kind = "", name = "", id = ""] = pathname.split("/");
  const json = (value, fields = {}) => {
    const body = JSON.stringify(value);
    response.writeHead(200, { "content-type": "application/json", etag: `"${body.length}"`, ...fields }).end(body);
  };
  const late = 15 + Math.random() * 60 + (name === "search" ? 80 : 0);
  setTimeout(() => {
    if (kind === "assets") {
      response.writeHead(200, { "content-type": "text/css" }).end(`.${name} { color: #234; }\n`.repeat(200));
    } else if (name === "products") {
      json(product(Number(id)), { "surrogate-key": `products product-${id}` });
    } else if (name === "search") json({ results: [1, 2, 3].map(product) });
    else if (Math.random() < 0.01) response.writeHead(503).end("busy");
    else {
      const fields = { "content-type": "text/html", "cache-control": "max-age=300", "surrogate-key": "pages" };
      response
        .writeHead(200, fields)
        .end(`<!doctype html><title>${kind}</title>${"<p>Tea, and what goes with it.</p>".repeat(80)}`);
    }
  }, late);
}

function product(id) {
  const names = ["Sencha", "Assam", "Darjeeling", "Oolong", "Rooibos"];
  return {
    id,
    name: `${names[id % names.length]} No. ${id}`,
    price: { amount: 12.5 + (id % 7), currency: "EUR" },
    stock: (id * 37) % 100,
    tags: ["tea", id % 2 === 0 ? "green" : "black"],
    description: "Light and clear, for the afternoon. Two grams for a cup, 70 °C, two minutes.",
  };
}

/** Asked for most: the first ones. */
function somePath() {
  const dice = Math.random();
  const one = (most) => Math.floor(most * Math.random() ** 2.6);
  if (dice < 0.55) return `/api/products/${one(4000)}`;
  if (dice < 0.7) return `/assets/${["shop", "cart", "print"][one(3)]}.css`;
  if (dice < 0.8) return `/api/search?q=${["green", "black", "mild", "gift"][one(4)]}`;
  if (dice < 0.85) return "/account";
  return ["/", "/teas", "/about", "/delivery"][one(4)];
}

/** One request, as for the shop's own name. */
function visit(proxy, path) {
  const language = Math.random() < 0.7 ? "en" : "de";
  return new Promise((resolve) => {
    const asked = request(proxy + path, { agent: AGENT, headers: { host: SHOP, "accept-language": language } });
    asked.on("response", (response) => response.resume().on("end", resolve));
    asked.on("error", resolve).end();
  });
}

/** Clients, more of them and less, until it is over. */
async function visits(proxy, over) {
  const from = Date.now();
  while (!over.aborted) {
    const wave = 1 + 0.6 * Math.sin((Date.now() - from) / 14_000) + 0.25 * Math.random();
    await Promise.all(Array.from({ length: Math.ceil(3 * wave) }, () => visit(proxy, somePath())));
    await sleep(60);
  }
}

/** Both addresses, when it takes requests. */
async function addresses(child) {
  let said = "";
  for await (const piece of child.stderr) {
    said += piece;
    const [, proxy, admin] = /serve: (http:\/\/[\d.:]+), .*admin (http:\/\/[\d.:]+)/.exec(said) ?? [];
    if (proxy && admin) return { proxy, admin };
  }
  throw new Error(`cache serve did not start: ${said}`);
}

/** A browser that is logged in. */
async function browser(admin, token) {
  const places = ["chromium", "chromium-browser", "google-chrome"];
  const executablePath = execFileSync("sh", ["-c", places.map((name) => `command -v ${name}`).join(" || ")], {
    encoding: "utf8",
  });
  const opened = await chromium.launch({
    executablePath: executablePath.trim(),
    args: [...(getuid() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"],
  });
  const context = await opened.newContext({ reducedMotion: "reduce" });
  await context.request.post(`${admin}/cache/session`, { data: { token } });
  return { context, close: () => opened.close() };
}

/** Each picture: where it is taken, in which light, how wide, and what is done before. */
const PICTURES = [
  {
    name: "overview-light",
    hash: "#/overview",
    scheme: "light",
    ready: (page) => page.getByText("Live", { exact: true }).waitFor(),
  },
  {
    name: "overview-dark",
    hash: "#/overview",
    scheme: "dark",
    ready: (page) => page.getByText("Live", { exact: true }).waitFor(),
  },
  {
    name: "entries",
    hash: "#/entries?prefix=r:GET",
    scheme: "light",
    height: 640,
    ready: (page) => page.getByRole("table").waitFor(),
  },
  {
    name: "entry",
    hash: `#/entry?key=${encodeURIComponent(`r:GET http://${SHOP}/api/products/1`)}`,
    scheme: "light",
    ready: (page) => page.getByText('"currency"').waitFor(),
  },
  {
    name: "invalidate",
    hash: "#/invalidate?what=http&by=tags&tags=products",
    scheme: "dark",
    async ready(page) {
      await page.getByRole("button", { name: "Delete…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "rules",
    hash: `#/rules?url=${encodeURIComponent(`http://${SHOP}/api/products/1`)}`,
    scheme: "light",
    ready: (page) => page.getByText("Look at it").waitFor(),
  },
  {
    name: "phone",
    hash: "#/overview",
    scheme: "dark",
    width: 360,
    height: 780,
    ready: (page) => page.getByText("Live", { exact: true }).waitFor(),
  },
];

const CHOSEN = PICTURES.filter(({ name }) => NAMES.length === 0 || NAMES.includes(name));

async function takePictures(admin, token) {
  const { context, close } = await browser(admin, token);
  try {
    for (const { name, hash, scheme, width = 1200, height = 800, ready } of CHOSEN) {
      const page = await context.newPage();
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: scheme });
      await page.goto(`${admin}/${hash}`);
      await ready(page);
      // Charts are drawn when there are figures.
      await sleep(1500);
      const path = join(IMAGES, `admin-${name}.png`);
      await page.screenshot({ path });
      const { size } = await stat(path);
      stdout.write(`${path} ${Math.round(size / 1024)} KB\n`);
      if (size > LARGEST) throw new Error(`${path} is larger than ${LARGEST} bytes`);
      await page.close();
    }
  } finally {
    await close();
  }
}

const folder = await mkdtemp(join(tmpdir(), "cachectl-pictures-"));
const over = new AbortController();
const origin = createServer(answer);
await mkdir(IMAGES, { recursive: true });
await new Promise((resolve) => origin.listen(0, "127.0.0.1", resolve));
const [rules, tokens, token] = [
  join(folder, "rules.json"),
  join(folder, "tokens"),
  randomBytes(32).toString("base64url"),
];
const sha256 = createHash("sha256").update(token).digest("hex");
await writeFile(rules, JSON.stringify(RULES));
await writeFile(tokens, JSON.stringify({ name: "anna", role: "operator", sha256 }), { mode: 0o600 });
const store = ["--store", "memory:?maxEntries=350", "--store", `sqlite:${folder}/shop.db`, "--namespace", "shop"];
const child = spawn(
  execPath,
  [
    ...["bin/cache.js", "serve", "--port", "0", "--admin-port", "0", "--admin-tokens", tokens, "--rules", rules],
    ...["--origin", `http://127.0.0.1:${origin.address().port}`, "--monitor-interval", "1s", ...store],
  ],
  { stdio: ["ignore", "ignore", "pipe"] },
);
try {
  const { proxy, admin } = await addresses(child);
  const visiting = visits(proxy, over.signal);
  stdout.write(`${SECONDS} s of visits to ${proxy}, admin page at ${admin}\n`);
  await sleep(Number(SECONDS) * 1000);
  await takePictures(admin, token);
  over.abort();
  await visiting;
} finally {
  over.abort();
  child.kill();
  AGENT.destroy();
  origin.close();
  await rm(folder, { recursive: true, force: true });
}
