import { chmodSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { leaveRuntimeToken } from "../../src/config/runtime-token.js";
import { Home } from "./layers.js";

const URL_ = "http://127.0.0.1:4001";
const flags = { store: URL_ };

/** What is sent to the server, and what is told. */
async function tokenOf(home: Home, input: Parameters<Home["load"]>[0], url = URL_) {
  const { tokens, warnings } = await home.load(input);
  return [tokens.get(url), warnings.map(({ code }) => code)];
}

describe("the token of an http: store", () => {
  it("comes from the environment, a file, or a flag, which is warned of", async () => {
    const home = new Home();
    const file = join(home.home, "token");
    writeFileSync(file, "from-file\n", { mode: 0o600 });
    expect(await tokenOf(home, { flags })).toEqual([undefined, []]);
    expect(await tokenOf(home, { flags, env: { CACHE_TOKEN: "t" } })).toEqual(["t", []]);
    expect(await tokenOf(home, { flags: { ...flags, tokenFile: file }, env: { CACHE_TOKEN: "t" } })).toEqual([
      "from-file",
      [],
    ]);
    expect(await tokenOf(home, { flags: { ...flags, token: "t" } })).toEqual(["t", ["token-in-flag"]]);
    chmodSync(file, 0o644);
    expect(await tokenOf(home, { flags: { ...flags, tokenFile: file } })).toEqual(["from-file", ["token-file-open"]]);
    expect((await home.refusal({ flags: { ...flags, tokenFile: `${file}.none` } })).code).toBe("token-file");
    for (const text of ["\n", "a b\n", "a\nb\n", '{"name":"a"}\n', "ä\n"]) {
      writeFileSync(file, text);
      expect((await home.refusal({ flags: { ...flags, tokenFile: file } })).code).toBe("invalid-token");
    }
  });

  it("is what a server of the same user left for him, where nobody names one", async () => {
    const home = new Home();
    const env = { HOME: home.home };
    const { path, remove } = leaveRuntimeToken(URL_, "left", env, process.getuid?.());
    expect(path).toBe(join(home.home, ".cache", "cachectl", "run", "admin-127.0.0.1-4001.token"));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await tokenOf(home, { flags })).toEqual(["left", []]);
    expect(await tokenOf(home, { flags: { store: "http://localhost:4001" } }, "http://localhost:4001")).toEqual([
      "left",
      [],
    ]);
    expect(await tokenOf(home, { flags: { store: "http://127.0.0.1:4002" } }, "http://127.0.0.1:4002")).toEqual([
      undefined,
      [],
    ]);
    expect(await tokenOf(home, { flags, env: { CACHE_TOKEN: "t" } })).toEqual(["t", []]);
    remove();
    expect(await tokenOf(home, { flags })).toEqual([undefined, []]);
  });

  it("is not sent where a project's config file names the server", async () => {
    const home = new Home();
    home.projectFile({ store: "http://evil.example:4001" });
    const evil = "http://evil.example:4001";
    expect(await tokenOf(home, { env: { CACHE_TOKEN: "t" } }, evil)).toEqual([undefined, ["token-withheld"]]);
    writeFileSync(join(home.home, "secret"), "s", { mode: 0o600 });
    home.projectFile({ store: evil, tokenFile: join(home.home, "secret") });
    expect(await tokenOf(home, {}, evil)).toEqual([undefined, ["token-withheld"]]);
    home.projectFile({ store: evil, tokenFile: "own" });
    writeFileSync(join(home.project, "own"), "own", { mode: 0o600 });
    expect(await tokenOf(home, {}, evil)).toEqual(["own", []]);
  });

  it("is for one server", async () => {
    const stores = `http://127.0.0.1:4001\nhttp://127.0.0.1:4002`;
    const refusal = await new Home().refusal({ flags: { store: stores }, env: { CACHE_TOKEN: "t" } });
    expect(refusal.code).toBe("ambiguous-token");
  });

  it("and its namespace is the server's, unless one is asked for", async () => {
    const home = new Home();
    expect((await home.load({ flags, command: "purge" })).keyPrefix).toBe("");
    expect((await home.load({ flags: { ...flags, namespace: "n" }, command: "purge" })).keyPrefix).toBe("n:");
  });
});
