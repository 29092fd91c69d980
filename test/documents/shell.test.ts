import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseStoreUrl } from "../../src/config/store-url.js";
import { allBlocks, type Block, blocksOf, DOCUMENTS, ROOT, readDocument } from "../support/documents.js";
import { runInPty } from "../support/pty.js";
import { startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

/** Between the outputs of blocks: no document prints it. */
const MARK = "@@@ block at line ";

/** Blocks that can't be run, all of them: who adds one says so here too. */
const NOT_RUN = [
  ["CONTRIBUTING.md", "npm ci"],
  ["CONTRIBUTING.md", "npm ci && npm test && npm run test:deep && npm run check"],
  ["README.md", "npm install --global ."],
  ["README.md", "npm ci && npm test"],
  ["docs/operations.md", "npm ci && npm install --global ."],
  ["docs/operations.md", "npm run pack:standalone"],
  ["docs/operations.md", "cache completion bash > ~/.local/share/bash-completion/completions/cache"],
  ["docs/operations.md", "install -d -m 0700 /etc/cachectl"],
  ["docs/operations.md", "podman build -f examples/serve/Containerfile -t cachectl ."],
];

const firstLine = ({ text }: Block) => text.split("\n", 1)[0];

/** Free ports: two neighbours for the proxy and its admin API, and one for an origin. */
async function freePorts(): Promise<{ proxy: number; origin: number }> {
  for (;;) {
    const servers = [createServer(), createServer(), createServer()] as const;
    const proxy = await listening(servers[0], 0);
    const origin = await listening(servers[1], 0);
    const admin = await listening(servers[2], proxy + 1).catch(() => undefined);
    for (const server of servers) server.close();
    if (admin !== undefined) return { proxy, origin };
  }
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

/** What a reader has in terminals of their own: one server at a time, and there before the next line is typed. */
const PRELUDE = `set -Eeuo pipefail
declare -A running
end() { [ -z "\${running[$1]-}" ] || { kill "\${running[$1]}" && wait "\${running[$1]}" || true; }; running[$1]=; }
begin() {
  local name=$1 port=$2; shift 2
  end "$name"
  "$@" > "$name.log" 2>&1 < /dev/null &
  running[$name]=$!
  until (: > "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do kill -0 "\${running[$name]}" || { cat "$name.log"; exit 1; }; sleep 0.05; done
}
trap 'code=$?; end proxy; end origin; exit $code' EXIT
trap 'echo "failed with $?: $BASH_COMMAND"' ERR
`;

interface Servers {
  proxy: number;
  origin: number;
  redis: string;
}

/** A block with the servers of this test in place of the reader's own. The clone is installed already, and `npx cache` in it is this program. */
function asHere({ text }: Block, { proxy, origin, redis }: Servers): string {
  return text
    .replaceAll(/\\\n\s*/g, "")
    .replaceAll("npm ci && ", "")
    .replaceAll("npx cache", "cache")
    .replaceAll("redis://localhost:6379", redis)
    .replaceAll("127.0.0.1:3000", `127.0.0.1:${origin}`)
    .replaceAll(/127\.0\.0\.1:400([01])/g, (_, admin) => `127.0.0.1:${proxy + Number(admin)}`)
    .replaceAll(/^node examples\/slow-api\.mjs$/gm, `begin origin ${origin} env PORT=${origin} $&`)
    .replaceAll(
      /^(cache serve(?! token)(?!.* --(?:explain|check-config))[^#\n]*)(?:#.*)?$/gm,
      (_, command) => `begin proxy ${proxy + 1} ${command} --port ${proxy}`,
    );
}

/** What a terminal shows of each block, by its line; the last thing is the exit code. */
async function follow(document: string, blocks: readonly Block[]): Promise<Map<number, string>> {
  const home = tempDir("reader");
  const bin = join(home, "bin");
  mkdirSync(bin);
  cpSync(join(ROOT, "examples"), join(home, "examples"), { recursive: true });
  const program = join(bin, "cache");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "bin/cache.js")}" "$@"\n`);
  chmodSync(program, 0o755);
  const redis = readDocument(document).includes("localhost:6379") ? await startRedis() : undefined;
  const servers = { ...(await freePorts()), redis: redis?.url ?? "" };
  const script = blocks.map((block) => `echo '${MARK}${block.line}'\n${asHere(block, servers)}`).join("\n");
  writeFileSync(join(home, "script.sh"), `${PRELUDE}${script}\n`);
  const env = { HOME: home, PATH: `${bin}${delimiter}${process.env.PATH}`, NO_COLOR: "1", TERM: "dumb" };
  const terminal = runInPty("bash", ["script.sh"], { cwd: home, env, columns: 200 });
  const code = await terminal.exit;
  await redis?.stop();
  const shown = terminal.text();
  if (code !== 0) throw new Error(`${document}: ${shown.slice(shown.lastIndexOf(MARK))}\nexit code ${code}`);
  const parts = shown.split(MARK).slice(1);
  return new Map(parts.map((part) => [Number.parseInt(part, 10), part.slice(part.indexOf("\n") + 1)]));
}

/** Output as a document shows it: `…` is anything on that line, and any number with a fraction is any other. */
function asShown(text: string): RegExp {
  const literal = text.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^\\s*${literal.replaceAll("…", ".*").replaceAll(/\d+\\\.\d+/g, "\\d+\\.\\d+")}\\s*$`);
}

const documents = DOCUMENTS.filter((document) =>
  blocksOf(readDocument(document)).some(({ language }) => language === "sh"),
);

describe("shell blocks", () => {
  test.concurrent.each(documents)("%s can be followed from top to bottom", { timeout: 120_000 }, async (document) => {
    const blocks = blocksOf(readDocument(document));
    const run = blocks.filter(({ language, notRun }) => language === "sh" && notRun === undefined);
    const shown = await follow(document, run);
    expect([...shown.keys()]).toEqual(run.map(({ line }) => line));
    for (const [i, block] of blocks.entries()) {
      const said = shown.get(block.line);
      const promised = blocks[i + 1];
      if (said !== undefined && promised?.language === "text")
        expect(said.replaceAll(/[ \t\r]+$/gm, ""), `${document}:${block.line}`).toMatch(asShown(promised.text));
    }
  });

  test("that are not run are these, each with its reason", () => {
    const left = allBlocks("sh").filter(({ notRun }) => notRun !== undefined);
    expect(left.map((block) => [block.document, firstLine(block)]).sort()).toEqual([...NOT_RUN].sort());
  });

  test("have the languages that are looked at", () => {
    const all = DOCUMENTS.flatMap((document) => blocksOf(readDocument(document)));
    const known = ["sh", "text", "ts", "json", "json config", "json rules", "yaml", ""];
    expect(all.map(({ language }) => language).filter((language) => !known.includes(language))).toEqual([]);
  });
});

test("every store URL of the documents is one", () => {
  const text = DOCUMENTS.map(readDocument).join("\n");
  const urls = [...text.matchAll(/[`"](?:-s )?((?:memory|sqlite|file|rediss?(?:\+\w+)?):[^`"\s]*)[`"]/g)].map(
    ([, url = ""]) => url,
  );
  expect(urls.length).toBeGreaterThanOrEqual(12);
  for (const url of urls.filter((one) => !/[…*]/.test(one)))
    expect(() => parseStoreUrl(url, "a document", "/", "/"), url).not.toThrow();
});

test("the reader of Markdown finds blocks with their lines and reasons", () => {
  const markdown = "a\n\n```sh\none\n```\n```json x\n{}\n```\n\n<!-- not run: because -->\n```sh\nthree\n```\n";
  expect(blocksOf(markdown)).toEqual([
    { line: 4, language: "sh", text: "one\n" },
    { line: 7, language: "json x", text: "{}\n" },
    { line: 12, language: "sh", text: "three\n", notRun: "because" },
  ]);
});
