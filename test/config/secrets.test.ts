import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConfigInput } from "../../src/config/layers.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import type { CliOptions } from "../support/run-cli.js";
import { Workspace } from "../support/workspace.js";
import { Home } from "./layers.js";

const SECRET = "s3cr3t/with?odd#chars@";

function secretFile(home: Home, name = "pw", mode = 0o600): string {
  const path = join(home.project, name);
  writeFileSync(path, `${SECRET}\n`, { mode });
  chmodSync(path, mode);
  return path;
}

const codes = (warnings: readonly { code: string }[]) => warnings.map(({ code }) => code);

describe("where the password comes from", () => {
  const redis = { store: "redis://h:1/0" };

  it("is a flag, with a warning", async () => {
    const { password, warnings } = await new Home().load({ flags: { ...redis, password: SECRET } });
    expect([password, codes(warnings)]).toEqual([SECRET, ["password-in-flag"]]);
  });

  it("is the environment, without one", async () => {
    const { password, warnings } = await new Home().load({ flags: redis, env: { CACHE_PASSWORD: SECRET } });
    expect([password, codes(warnings)]).toEqual([SECRET, []]);
  });

  it("is a file, which others may not read without a warning", async () => {
    const home = new Home();
    const path = secretFile(home);
    expect(await home.load({ flags: { ...redis, passwordFile: "pw" } })).toMatchObject({
      password: SECRET,
      warnings: [],
    });
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(path, mode);
      const { password, warnings } = await home.load({ flags: { ...redis, passwordFile: path } });
      expect([password, codes(warnings), warnings[0]?.hint]).toEqual([
        SECRET,
        ["password-file-open"],
        `Run: chmod 600 ${path}`,
      ]);
    }
    expect(await home.refusal({ flags: { ...redis, passwordFile: "none" } })).toMatchObject({
      kind: "usage",
      code: "password-file",
      message: expect.stringContaining("ENOENT"),
    });
  });

  it("is standard input or a prompt", async () => {
    const asked: unknown[] = [];
    const readSecret = async (...how: unknown[]) => {
      asked.push(how);
      return SECRET;
    };
    expect((await new Home().load({ flags: { ...redis, passwordFile: "-" }, readSecret })).password).toBe(SECRET);
    expect(
      (await new Home().load({ flags: { ...redis, askPassword: true, noInput: true }, readSecret })).password,
    ).toBe(SECRET);
    expect(asked).toEqual([
      ["stdin", false, "h:1"],
      ["prompt", true, "h:1"],
    ]);
    // Nobody is asked for a store that has no password.
    await new Home().load({ flags: { store: "sqlite:x", askPassword: true }, readSecret });
    expect(asked).toHaveLength(2);
  });

  it("is in the URL, with a warning where others can see it", async () => {
    const url = "redis://u:pw@h:1/0";
    const home = new Home();
    expect(codes((await home.load({ flags: { store: url } })).warnings)).toEqual(["password-in-url"]);
    expect(codes((await home.load({ env: { CACHE_STORE: url } })).warnings)).toEqual([]);
    home.projectFile({ store: url });
    expect(codes((await home.load()).warnings)).toEqual(["password-in-url"]);
  });

  it("is that of the highest layer", async () => {
    const home = new Home();
    secretFile(home);
    const both = { env: { CACHE_PASSWORD: "env" }, flags: { ...redis, passwordFile: "pw" } };
    expect((await home.load(both)).password).toBe(SECRET);
    expect(
      (
        await home.load({
          env: { CACHE_PASSWORD_FILE: "pw", CACHE_PASSWORD: "env" },
          flags: { ...redis, password: "flag" },
        })
      ).password,
    ).toBe("flag");
  });
});

describe("where it is sent", () => {
  it("is no server of a project's file, if the password is not the project's", async () => {
    const home = new Home();
    const evil = home.projectFile({ store: "redis://evil:1/0", profiles: { p: { store: "redis://evil:2/0" } } });
    for (const flags of [{}, { profile: "p" }]) {
      const { password, warnings } = await home.load({ flags, env: { CACHE_PASSWORD: SECRET } });
      expect([password, codes(warnings)]).toEqual([undefined, ["password-withheld"]]);
      expect(warnings[0]?.message).toContain(`the password of CACHE_PASSWORD is not sent to the server that ${evil}`);
    }
    // Nor one that it names by its parts.
    home.projectFile({ backend: "redis", redisHost: "evil" });
    expect((await home.load({ env: { CACHE_PASSWORD: SECRET } })).password).toBeUndefined();
    expect((await home.load({ env: { ENABLE_REDIS: "true", REDIS_PASSWORD: SECRET } })).password).toBeUndefined();
    home.projectFile({ backend: "redis", redisHost: "evil" });
    expect((await home.load({ flags: { password: SECRET } })).password).toBeUndefined();
  });

  it.each<[string, object, Partial<ConfigInput>]>([
    ["backend and port", { backend: "redis", redisPort: 7393 }, {}],
    ["backend alone", { backend: "redis" }, {}],
    ["enableRedis", { enableRedis: true }, { env: { REDIS_HOST: "mine" } }],
    ["backend and user", { backend: "redis", redisUsername: "them" }, {}],
    ["port", { redisPort: 7393 }, { env: { ENABLE_REDIS: "true", REDIS_HOST: "mine" } }],
    ["port", { redisPort: 7393 }, { flags: { backend: "redis", redisHost: "mine" } }],
    ["port of the default host", { redisPort: 7393 }, { flags: { backend: "redis" } }],
    ["database", { redisDb: 3 }, { flags: { backend: "redis", redisHost: "mine" } }],
    ["user", { redisUsername: "them" }, { flags: { backend: "redis", redisHost: "mine" } }],
    ["user beside a URL", { redisUsername: "them" }, { env: { CACHE_STORE: "redis://mine:1" } }],
    ["host in a profile", { profiles: { p: { redisHost: "evil" } } }, { flags: { backend: "redis", profile: "p" } }],
  ])("is withheld where a file decides about one part: %s", async (_part, file, { flags = {}, env = {} }) => {
    for (const variable of ["CACHE_PASSWORD", "REDIS_PASSWORD"]) {
      if (variable === "REDIS_PASSWORD" && env.CACHE_STORE !== undefined) continue;
      for (const layer of ["project", "user"] as const) {
        const home = new Home();
        const path = layer === "project" ? home.projectFile(file) : home.userFile(file);
        const { password, warnings } = await home.load({ flags, env: { ...env, [variable]: SECRET } });
        expect([password, codes(warnings)]).toEqual([undefined, ["password-withheld"]]);
        expect(warnings[0]?.message).toContain(`the password of ${variable} is not sent to the server that ${path}`);
        expect(warnings[0]?.hint).toMatch(/--\S+, or with CACHE_/);
      }
    }
  });

  it("is a server of which a file's parts are overridden", async () => {
    const home = new Home();
    home.projectFile({ backend: "redis", redisHost: "evil", redisPort: 1, redisDb: 3, redisUsername: "them" });
    const env = { CACHE_PASSWORD: SECRET };
    const flags = { backend: "redis", redisHost: "mine", redisPort: "2", redisDb: "0", redisUsername: "me" };
    expect(await home.load({ env, flags })).toMatchObject({ password: SECRET, store: { url: "redis://mine:2/0" } });
    expect(
      await home.load({
        env: { ...env, REDIS_URL: "redis://mine:2" },
        flags: { backend: "redis", redisUsername: "me" },
      }),
    ).toMatchObject({ password: SECRET, store: { url: "redis://mine:2" } });
  });

  it("is no server that a project's own authority vouches for", async () => {
    const home = new Home();
    const path = home.projectFile({ redisCa: "ca.pem", redisCert: "c.pem", redisKey: "k.pem" });
    const env = { CACHE_PASSWORD: SECRET };
    for (const input of [
      { env, flags: { store: "rediss://mine" } },
      { env: { ...env, CACHE_STORE: "rediss://mine" } },
      { env: { ...env, REDIS_URL: "rediss://mine" }, flags: { backend: "redis" } },
    ]) {
      const { password, warnings, store, settings } = await home.load(input);
      expect([password, store]).toEqual([SECRET, { kind: "redis", url: "rediss://mine" }]);
      expect([settings.redisCa, codes(warnings)]).toEqual([undefined, Array(3).fill("tls-file-ignored")]);
      expect(warnings[0]?.message).toContain(`redisCa of ${path} is not used for the server that `);
    }
    // For a server of its own it may, and no password goes there.
    home.projectFile({ store: "rediss://theirs", redisCa: "ca.pem" });
    expect(await home.load({ env })).toMatchObject({
      password: undefined,
      store: { ca: join(home.project, "ca.pem") },
      warnings: [{ code: "password-withheld" }],
    });
    // The user's own file is taken, and counts as a part of the address.
    const other = new Home();
    other.userFile({ redisCa: "/ca.pem" });
    expect(await other.load({ env, flags: { store: "rediss://mine" } })).toMatchObject({
      password: undefined,
      store: { ca: "/ca.pem" },
      warnings: [{ code: "password-withheld", hint: "Say redisCa with --redis-ca, or with CACHE_REDIS_CA." }],
    });
  });

  it("is under the name that its URL says, whatever a file says", async () => {
    const home = new Home();
    home.projectFile({ redisUsername: "them" });
    const username = async (input: Partial<ConfigInput>) => (await home.load(input)).settings.redisUsername?.value;
    expect(await username({ flags: { store: "redis://me:pw@mine" } })).toBeUndefined();
    expect(await username({ flags: { store: "redis://:pw@mine" } })).toBeUndefined();
    expect(await username({ flags: { store: "redis://mine" } })).toBe("them");
    expect(await username({ flags: { redisUsername: "flag" }, env: { CACHE_STORE: "redis://me:pw@mine" } })).toBe(
      "flag",
    );
  });

  const REDIS_URL = `redis://me:${encodeURIComponent(SECRET)}@mine:1/2`;

  it.each<[string, Partial<ConfigInput>, string]>([
    ["--redis-host", { flags: { redisHost: "other" } }, "redis://other:1/2"],
    ["--redis-port", { flags: { redisPort: "7" } }, "redis://mine:7/2"],
    ["CACHE_REDIS_HOST", { flags: { backend: "redis" }, env: { CACHE_REDIS_HOST: "other" } }, "redis://other:1/2"],
    ["CACHE_REDIS_PORT", { env: { ENABLE_REDIS: "true", CACHE_REDIS_PORT: "7" } }, "redis://mine:7/2"],
  ])("is for REDIS_URL the server in it, and none of %s", async (where, { flags = {}, env = {} }, url) => {
    const { store, warnings } = await new Home().load({ flags, env: { ...env, REDIS_URL } });
    expect(store).toEqual({ kind: "redis", url });
    expect(warnings).toMatchObject([
      {
        code: "password-withheld",
        message: `the password of REDIS_URL is not sent to the server that ${where} names`,
        hint: expect.any(String),
      },
    ]);
    // A password of its own goes there.
    expect((await new Home().load({ flags, env: { ...env, REDIS_URL, CACHE_PASSWORD: "own" } })).password).toBe("own");
  });

  it("is for REDIS_URL the same server where another database or the same address is said", async () => {
    for (const flags of [{ redisDb: "5" }, { redisHost: "mine", redisPort: "1", redisDb: "5" }]) {
      const { store, warnings } = await new Home().load({ flags, env: { REDIS_URL } });
      expect([store, warnings]).toEqual([{ kind: "redis", url: REDIS_URL.replace("/2", "/5") }, []]);
    }
  });

  it("is no server of a project's file for the password of the user's file either", async () => {
    const home = new Home();
    secretFile(home);
    home.userFile({ passwordFile: join(home.project, "pw") });
    home.projectFile({ store: "redis://evil:1/0" });
    const { password, warnings } = await home.load();
    expect([password, codes(warnings)]).toEqual([undefined, ["password-withheld"]]);
  });

  it("is a server that the same layer or a higher one names", async () => {
    const home = new Home();
    home.projectFile({ store: "redis://evil:1/0" });
    expect((await home.load({ env: { CACHE_PASSWORD: SECRET, CACHE_STORE: "redis://mine:1" } })).password).toBe(SECRET);
    expect((await home.load({ env: { CACHE_PASSWORD: SECRET }, flags: { store: "redis://mine:1" } })).password).toBe(
      SECRET,
    );
    expect(
      (await home.load({ env: { REDIS_PASSWORD: SECRET, REDIS_URL: "redis://mine:1" }, flags: { backend: "redis" } }))
        .password,
    ).toBe(SECRET);
    expect((await home.load({ env: { CACHE_PASSWORD: SECRET }, flags: { backend: "redis" } })).password).toBe(SECRET);
    home.userFile({ store: "redis://mine:1", passwordFile: secretFile(home) });
    expect((await home.load({ cwd: home.home })).password).toBe(SECRET);
    // A flag's password goes to no server of a lower layer.
    const flag = await home.load({ cwd: home.home, flags: { password: "flag" } });
    expect([flag.password, flag.warnings.at(-1)?.hint]).toEqual([undefined, "Name the store with --store."]);
  });

  it("is a project's own server for a project's own file, and no file from elsewhere", async () => {
    const home = new Home();
    secretFile(home);
    writeFileSync(join(home.home, "id_rsa"), SECRET, { mode: 0o600 });
    home.projectFile({ store: "redis://theirs:1/0", passwordFile: "pw" });
    expect((await home.load()).password).toBe(SECRET);
    symlinkSync(join(home.home, "id_rsa"), join(home.project, "link"));
    for (const passwordFile of [join(home.home, "id_rsa"), "~/id_rsa", "../../id_rsa", "link"]) {
      home.projectFile({ store: "redis://theirs:1/0", passwordFile });
      const { password, warnings } = await home.load();
      expect([passwordFile, password, codes(warnings)]).toEqual([passwordFile, undefined, ["password-withheld"]]);
    }
    // Said by the user, it is the user's word.
    expect((await home.load({ env: { CACHE_PASSWORD_FILE: "~/id_rsa", CACHE_STORE: "redis://h" } })).password).toBe(
      SECRET,
    );
  });
});

describe("what is shown", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ password: SECRET });
  });
  afterAll(() => server.stop());

  const ARGVS = [
    ["get", "k"],
    ["set", "k", "v"],
    ["info"],
    ["info", "--check"],
    ["config", "show"],
    ["stats"],
    ["keys"],
    ["invalidate", "--all"],
    ["config", "validate"],
    ["export"],
  ];
  const FORMS = [[], ["--json"], ["--ndjson"], ["--verbose"]];

  /** Runs commands in every form and gives all that they said. */
  async function said(more: readonly string[], options: Partial<CliOptions> = {}, argvs = ARGVS): Promise<string> {
    const work = new Workspace();
    let all = "";
    for (const argv of argvs) {
      for (const form of FORMS) {
        const { stdout, stderr } = await work.bare([...argv, ...form, ...more], options);
        all += stdout + stderr;
      }
    }
    return all;
  }

  const encoded = encodeURIComponent(SECRET);
  const hidden = (text: string) => {
    for (const form of [SECRET, encoded, "s3cr3t"]) expect(text).not.toContain(form);
  };

  it("is never the password, however it is given and whatever comes of it", async () => {
    const port = String(server.port);
    const env = { CACHE_PASSWORD: SECRET };
    const all = [
      await said(["-s", `redis://:${encoded}@127.0.0.1:${port}/0`]),
      await said([], { env: { CACHE_STORE: `redis://default:${encoded}@127.0.0.1:${port}/0` } }),
      await said(["--backend", "redis", "--redis-port", port, "--password", SECRET]),
      await said(["--backend", "redis", "--redis-port", port], { env }),
      await said(["--backend", "redis"], {
        env: { REDIS_URL: `redis://:${encoded}@127.0.0.1:${port}`, REDIS_PASSWORD: SECRET },
      }),
      await said(["-s", server.url, "--password-file", "-"], { stdin: SECRET }),
    ];
    for (const text of all) {
      hidden(text);
      // It did get in.
      expect(text).toContain('"healthy":true');
    }
  }, 60_000);

  it("is not the password in an error either", async () => {
    const few = [
      ["get", "k"],
      ["info", "--check"],
    ];
    const all = [
      await said(["-s", `redis://:${encoded}@127.0.0.1:1/0`], {}, few),
      await said(["-s", `redis://:wrong-${encoded}@127.0.0.1:${server.port}/0`], {}, few),
      await said(["-s", `redis://:${SECRET}@h`], {}, few),
      await said(["-s", `redis://u:${SECRET}@h:1/x`], {}, few),
      await said(["-s", `redis://s3cr3t:12/s3cr3t@h`], {}, few),
      await said(["-s", `u:${SECRET}h`], {}, few),
      await said(["-s", `http://u:${SECRET}@h`], {}, few),
      await said(["-s", `mongodb://u:${SECRET}@h`], {}, few),
      await said([`--passwort=${SECRET}`], {}, few),
      await said(["--password"], { env: { CACHE_PASSWORD: SECRET } }, few),
      await said(["--timeout", "x"], { env: { CACHE_PASSWORD: SECRET } }, few),
    ];
    for (const [i, text] of all.entries()) {
      if (i !== 4) hidden(text);
      expect(text).not.toContain(`/s3cr3t@`);
      expect(text).toContain("rror");
    }
  }, 60_000);

  it("exits 4 where it is missing or wrong", async () => {
    const work = new Workspace(server.url);
    for (const [argv, env] of [
      [["get", "never"], {}],
      [["get", "never", "--password", "wrong"], {}],
      [["get", "never"], { CACHE_PASSWORD: "wrong" }],
    ] as const) {
      const { code, stdout } = await work.run(argv, { env });
      expect([code, stdout]).toEqual([4, ""]);
    }
    expect((await work.run(["info", "--check", "--json"])).code).toBe(4);
    expect((await work.run(["get", "never"], { env: { CACHE_PASSWORD: SECRET } })).code).toBe(3);
  });

  it("is asked for on a terminal, and nobody is where there is none", async () => {
    const work = new Workspace(server.url);
    const asked = await work.run(["get", "never", "--ask-password"], { typed: `${SECRET}\n` });
    expect([asked.code, asked.stderr]).toEqual([3, expect.stringContaining("never (not there)")]);
    hidden(asked.stderr);
    for (const [argv, env] of [
      [["--no-input"], {}],
      [[], { CACHE_NO_INPUT: "1" }],
    ] as const) {
      const refused = await work.run(["get", "never", "--ask-password", ...argv], { typed: `${SECRET}\n`, env });
      expect([refused.code, refused.stderr]).toEqual([7, expect.stringContaining("no terminal to ask")]);
    }
    expect((await work.run(["get", "never", "--ask-password"], { stdin: SECRET })).code).toBe(7);
  });
});
