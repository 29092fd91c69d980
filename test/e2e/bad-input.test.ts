import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { LIMITED } from "../support/limited.js";
import { runBinary, runShell } from "../support/run-binary.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";

let cwd: string;
const store = ["--store", "sqlite:store.db"];
beforeEach(() => {
  cwd = tempDir("bad-input");
});

const cache = (...args: string[]) => runCli([...args, ...store], { cwd });
const put = (name: string, content: string | Buffer) => writeFileSync(join(cwd, name), content);
const stored = async (key: string) => (await cache("get", key)).bytes;
const count = async () => Number((await cache("keys", "--count")).stdout);

describe("a file that is not what it should be: 2, the place, nothing half-read", () => {
  test.each<[name: string, file: string, content: string, message: RegExp]>([
    ["a web page", "page.json", "<!doctype html>\n<p>Not found", /begins with/],
    ["text", "text.json", "hello", /begins with/],
    ["empty", "empty.json", "", /is empty/],
    ["nothing but space", "space.json", " \n\t\r\n", /is empty/],
    ["a number", "number.json", "42", /begins with/],
    ["cut off in a string", "cut.json", '{"a":1,"b":"tw', /ends inside.*line 1/],
    ["cut off after a comma", "comma.json", '[{"key":"a","value":1},\n', /line 2/],
    ["cut off before the end", "open.json", '{"a":1', /ends inside/],
    ["something after the end", "more.json", '{"a":1} {"b":2}', /./],
    ["UTF-16", "utf16.json", Buffer.from('\ufeff{"a":1}', "utf16le").toString("latin1"), /UTF-16|begins with/],
    ["NDJSON named .json", "lines.json", '{"key":"a","value":1}\n{"key":"b","value":2}\n', /NDJSON/],
  ])("%s", async (_name, file, content, message) => {
    put(file, Buffer.from(content, "latin1"));
    const run = await cache("warm", file);
    expect(run).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
    expect(run.stderr).toMatch(/error: .+\n {2}\S/);
    expect(run.stderr).toContain(file);
  });

  test("a document cut off keeps what was whole, and says how much that is", async () => {
    put("cut.json", `{${Array.from({ length: 3000 }, (_, i) => `"k${i}":${i}`).join(",")},"last":`);
    const run = await cache("warm", "cut.json");
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("stored 3000 entries") });
    expect(await count()).toBe(3000);
  });

  test("a folder, and no such file: 2", async () => {
    mkdirSync(join(cwd, "folder.json"));
    expect(await cache("warm", "folder.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is a directory"),
    });
    expect(await cache("warm", "none.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no file"),
    });
    expect(await cache("set", "a", "--file", "folder.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("folder"),
    });
  });

  test("no permission: 2", async () => {
    put("secret.json", '{"a":1}');
    const run = await runShell(
      `chmod 000 secret.json
      ${LIMITED} "\${CACHE[@]}" warm secret.json ${store.join(" ")}; echo $?
      ${LIMITED} "\${CACHE[@]}" set a --file secret.json ${store.join(" ")}; echo $?`,
      { cwd },
    );
    expect(run.stdout.toString()).toBe("2\n2\n");
    expect(run.stderr.match(/^error: .*permission/gm)).toHaveLength(2);
  });

  test("the second of two files is not there: nothing of the first is written", async () => {
    put("good.json", '{"a":1}');
    expect((await cache("warm", "good.json", "none.json")).code).toBe(2);
    expect(await count()).toBe(0);
  });
});

describe("a bad record: reported with its place, the good ones go in, 6", () => {
  test("in the middle of 200,000", async () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => `{"key":"k:${i}","value":${i}}`);
    const bad = `{"key":"k:100000","value":"unfinished \u00e9`;
    lines[100_000] = bad;
    const offset = Buffer.byteLength(`${lines.slice(0, 100_000).join("\n")}\n`);
    put("many.ndjson", lines.join("\n"));
    const run = await cache("warm", "many.ndjson", "--rejects", "rejects.ndjson", "--json");
    expect(run.code).toBe(6);
    expect(run.json()).toMatchObject({ read: 200_000, stored: 199_999, rejected: 1 });
    expect(run.stderr).toContain(`line 100001, offset ${offset}`);
    expect(readFileSync(join(cwd, "rejects.ndjson"), "utf8")).toBe(`${bad}\n`);
    expect(await count()).toBe(199_999);
    expect((await cache("get", "k:100000")).code).toBe(3);
    expect((await stored("k:100001")).toString()).toBe("100001");
  }, 60_000);

  test.each([
    ["no key", '{"value":1}'],
    ["no value", '{"key":"a"}'],
    ["a misspelt field", '{"key":"a","value":1,"expires":1}'],
    ["a TTL of nothing", '{"key":"a","value":1,"ttl":0}'],
    ["a TTL of words", '{"key":"a","value":1,"ttl":"soon"}'],
    ["an empty key", '{"key":"","value":1}'],
    ["a key with NUL", '{"key":"a\\u0000b","value":1}'],
    ["a key that is too long", `{"key":"${"k".repeat(1025)}","value":1}`],
    ["half of a surrogate pair in a key", '{"key":"\\ud800","value":1}'],
    ["half of a surrogate pair in a value", '{"key":"a","value":"x\\udc00"}'],
    ["tags that are none", '{"key":"a","value":1,"tags":"t"}'],
    ["base64 that is none", '{"key":"a","value":"%","encoding":"base64"}'],
    ["an array", '["a",1]'],
    ["two records", '{"key":"a","value":1} {"key":"b","value":2}'],
    ["a comma at the end", '{"key":"a","value":1},'],
    ["NaN", '{"key":"a","value":NaN}'],
    ["single quotes", "{'key':'a','value':1}"],
  ])("%s", async (_name, line) => {
    put("r.ndjson", `{"key":"first","value":1}\n${line}\n{"key":"last","value":2}\n`);
    const run = await cache("warm", "r.ndjson", "--rejects", "rejects");
    expect(run).toMatchObject({ code: 6, stderr: expect.stringMatching(/bad record: .*line 2, offset 26: \S/) });
    expect(readFileSync(join(cwd, "rejects"), "utf8")).toBe(`${line}\n`);
    expect(await count()).toBe(2);
  });

  test("bytes that are no UTF-8 are kept in the rejects as they are", async () => {
    const line = Buffer.concat([Buffer.from('{"key":"a","value":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]);
    put("r.ndjson", Buffer.concat([line, Buffer.from('\n{"key":"b","value":1}\n')]));
    expect((await cache("warm", "r.ndjson", "--rejects", "rejects")).code).toBe(6);
    expect(readFileSync(join(cwd, "rejects")).equals(Buffer.concat([line, Buffer.from("\n")]))).toBe(true);
  });

  test("more than --max-errors stops: 2, and says where", async () => {
    put("r.ndjson", "bad\n".repeat(5));
    const run = await cache("warm", "r.ndjson", "--max-errors", "3");
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("bad records") });
  });
});

describe("odd but right input goes in as it is", () => {
  test("numbers that JavaScript can't hold, spaces and orders are kept as written", async () => {
    const texts = [
      "12345678901234567890",
      "1.0",
      "1e400",
      "-0",
      "0.1000",
      '{"b":1,  "a":2, "b":3}',
      "[ 1,\t2 ]",
      "null",
      "false",
    ];
    put("n.json", `{${texts.map((text, i) => `"n${i}":${text}`).join(",")}}`);
    expect((await cache("warm", "n.json")).code).toBe(0);
    for (const [i, text] of texts.entries()) expect((await stored(`n${i}`)).toString()).toBe(text);
  });

  test("a BOM, CRLF, blank lines and no line break at the end", async () => {
    put(
      "w.ndjson",
      '\ufeff{"key":"a","value":"1"}\r\n\r\n{"key":"b","value":{"c":\t2}}\r\n{"key":"d","value":"x\\r\\ny"}',
    );
    expect((await cache("warm", "w.ndjson")).code).toBe(0);
    expect((await stored("b")).toString()).toBe('{"c":\t2}');
    expect((await stored("d")).toString()).toBe("x\r\ny");
    put("w.json", '\ufeff{\r\n"e": 1\r\n}\r\n');
    expect((await cache("warm", "w.json")).code).toBe(0);
    expect(await count()).toBe(4);
  });

  test("duplicate keys: the last wins, also over batches", async () => {
    put("d.json", `{"a":1,"a":2,${Array.from({ length: 1200 }, (_, i) => `"k${i}":0`).join(",")},"a":3}`);
    expect((await cache("warm", "d.json")).code).toBe(0);
    expect((await stored("a")).toString()).toBe("3");
    expect(await count()).toBe(1201);
  });

  test("keys and fields that mean something to JavaScript", async () => {
    const keys = ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "0", "-1", "length"];
    put("p.json", `{${keys.map((key, i) => `"${key}":{"__proto__":${i}}`).join(",")}}`);
    expect((await cache("warm", "p.json")).code).toBe(0);
    for (const [i, key] of keys.entries()) expect((await stored(key)).toString()).toBe(`{"__proto__":${i}}`);
    const shown = await cache("get", ...keys, "--json");
    expect((shown.json().entries as unknown[]).length).toBe(keys.length);
    expect((await cache("get", "__proto__", "--path", "__proto__")).stdout).toBe("0");
  });

  test("nesting of 200,000 levels, in all three forms and read back", async () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    put("deep.json", `{"object":${deep}}`);
    put("deep-array.json", `[{"key":"array","value":${deep}}]`);
    put("deep.ndjson", `{"key":"line","value":${deep}}\n`);
    const run = await cache("warm", "deep.json", "deep-array.json", "deep.ndjson");
    expect(run).toMatchObject({ code: 0 });
    for (const key of ["object", "array", "line"]) expect((await stored(key)).equals(Buffer.from(deep))).toBe(true);
    for (const args of [
      ["get", "line", "--json"],
      ["get", "line", "--meta", "--json"],
      ["get", "line", "--path", "[0][0]"],
      ["keys"],
      ["export"],
    ]) {
      const shown = await cache(...args);
      expect([args, shown.code, /RangeError|stack/i.test(shown.stderr)]).toEqual([args, 0, false]);
    }
    expect((await runCli(["get", "line", ...store], { cwd, terminal: true })).code).toBe(0);
  });

  test("whole surrogate pairs and U+FFFD are characters like others", async () => {
    put("u.json", '{"\\ud83d\\ude00":"\\ud83d\\ude00","\ufffd":"\ufffd"}');
    expect((await cache("warm", "u.json")).code).toBe(0);
    expect((await stored("😀")).toString()).toBe("😀");
    expect((await stored("\ufffd")).toString()).toBe("\ufffd");
  });
});

describe("a value of 100 MB", () => {
  const size = 100 * 1024 * 1024;
  const big = Buffer.alloc(size, "0123456789abcdef\n\0\xff", "latin1");

  test("set from a file, read back to a file and through a pipe", async () => {
    put("big", big);
    expect((await runBinary(["set", "big", "--file", "big", ...store], { cwd })).code).toBe(0);
    expect((await runBinary(["get", "big", "--output", "back", ...store], { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, "back")).equals(big)).toBe(true);
    const piped = await runShell(`cache get big ${store.join(" ")} | cmp - big`, { cwd });
    expect(piped).toMatchObject({ code: 0, stderr: "" });
  }, 60_000);

  test("inside a warm, between small ones; exported and warmed again", async () => {
    const text = "x".repeat(size);
    put("big.ndjson", `{"key":"a","value":1}\n{"key":"big","value":"${text}"}\n{"key":"z","value":2}\n`);
    expect((await runBinary(["warm", "big.ndjson", ...store], { cwd })).code).toBe(0);
    expect((await runBinary(["export", "out.ndjson", ...store], { cwd })).code).toBe(0);
    const other = ["--store", "file:other"];
    expect((await runBinary(["warm", "out.ndjson", ...other], { cwd })).code).toBe(0);
    const back = await runShell(`cache get big ${other.join(" ")} | wc -c; cache get z ${other.join(" ")}`, { cwd });
    expect(back.stdout.toString().trim()).toMatch(new RegExp(`^${size}\\s2$`));
  }, 60_000);
});

describe("settings that can't be right: 2 with a hint", () => {
  test.each<[string, string[]]>([
    ["redis://", ["--store", "redis://"]],
    ["redis://host:port", ["--store", "redis://host:port"]],
    ["redis://host/name", ["--store", "redis://host/name"]],
    ["a bare path", ["--store", "./cache.db"]],
    ["sqlite: without a path", ["--store", "sqlite:"]],
    ["an unknown option", ["--store", "sqlite:a.db?speed=fast"]],
    ["a bound of nothing", ["--store", "sqlite:a.db?maxEntries=0"]],
    ["memory", ["--store", "memory:"]],
    ["an unknown kind", ["--backend", "mysql"]],
    ["two stores", ["--store", "sqlite:a.db", "--backend", "file"]],
    ["a wrong timeout", ["--store", "sqlite:a.db", "--timeout", "-1s"]],
    ["a wrong TTL", ["--store", "sqlite:a.db", "--cache-ttl", "0"]],
    ["a wrong size", ["--store", "sqlite:a.db", "--max-bytes", "many"]],
    ["a wrong port", ["--backend", "redis", "--redis-port", "99999"]],
    ["a flag twice over", ["--store", "sqlite:a.db", "--json", "--ndjson"]],
  ])("%s", async (_name, flags) => {
    const run = await runCli(["keys", ...flags], { cwd });
    const said = flags.includes("--json") ? run.stdout + run.stderr : run.stderr;
    expect([run.code, said]).toEqual([
      2,
      expect.stringMatching(flags.includes("--json") ? /"hint"/ : /^error: .+\n {2}\S/),
    ]);
  });
});
