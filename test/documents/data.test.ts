import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, test } from "vitest";
import { allBlocks, ROOT, readDocument } from "../support/documents.js";
import { parseYaml, type Yaml } from "../support/plain-yaml.js";
import { redisCli, startRedis } from "../support/redis-server.js";
import { BINARY, runShell } from "../support/run-binary.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";

const named = (...languages: string[]) =>
  allBlocks(...languages).map((block) => ({ ...block, where: `${block.document}:${block.line}` }));

test.each(named("json", "json config", "json rules"))("$where is JSON", ({ text }) => {
  expect(() => JSON.parse(text)).not.toThrow();
});

test.each(named("json config"))("$where is a config file", async ({ text }) => {
  const cwd = tempDir();
  writeFileSync(join(cwd, "cache.config.json"), text);
  const { code, stderr } = await runCli(["config", "validate"], { cwd });
  expect([code, stderr]).toEqual([0, expect.not.stringContaining("error")]);
});

test.each(named("json rules"))("$where are rules", async ({ text }) => {
  const cwd = tempDir();
  writeFileSync(join(cwd, "rules.json"), text);
  const { code, stderr } = await runCli(["serve", "--rules", "rules.json", "--check-config"], { cwd });
  expect([code, stderr]).toEqual([0, ""]);
});

test("there are some of each", () => {
  for (const language of ["json", "json config", "json rules", "yaml"]) expect(allBlocks(language)).not.toEqual([]);
});

describe("the workflow of GitHub Actions", () => {
  const file = readFileSync(join(ROOT, "examples/github-actions/invalidate-cache.yml"), "utf8");

  /** What lies at these names and numbers, one below the other. */
  function at(value: Yaml, ...path: (string | number)[]): Yaml {
    return path.reduce<Yaml>((inner, step) => {
      const found = Object.entries(Object(inner)).find(([name]) => name === String(step));
      if (!found) throw new Error(`no ${step} of ${path.join(".")}`);
      return found[1] as Yaml;
    }, value);
  }

  test("is the one that the document shows", () => {
    const [block] = allBlocks("yaml");
    expect(file).toContain(block?.text);
    expect(readDocument("docs/invalidate-in-ci.md")).toContain(block?.text);
  });

  test("has what a workflow must have, and nothing typed by people in its scripts", () => {
    const workflow = parseYaml(file);
    expect(Object.keys(Object(at(workflow, "on")))).toEqual(["workflow_run", "workflow_dispatch", "workflow_call"]);
    expect(at(workflow, "permissions")).toEqual({});
    const job = at(workflow, "jobs", "invalidate");
    expect(at(job, "runs-on")).toBe("ubuntu-latest");
    const steps = at(job, "steps");
    expect(at(steps, 0, "uses")).toMatch(/^actions\/setup-node@v\d+$/);
    for (const step of Object.values(Object(steps)).slice(1) as Yaml[]) expect(at(step, "run")).not.toContain("${{");
    expect(at(job, "env", "CACHE_PASSWORD")).toBe("$" + "{{ secrets.CACHE_PASSWORD }}");
  });

  test("deletes what it should from a Redis, and says in the summary what went", async () => {
    const redis = await startRedis();
    const cwd = tempDir("workflow");
    const bin = join(cwd, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "cache"), `#!/bin/sh\nexec "${process.execPath}" "${BINARY}" "$@"\n`);
    chmodSync(join(bin, "cache"), 0o755);
    await redisCli(redis, "MSET", "product:1", "a", "product:2", "b", "other", "c");
    const summary = join(cwd, "summary.md");
    const env = {
      PATH: `${bin}${delimiter}${process.env.PATH}`,
      CACHE_STORE: redis.url,
      PREFIX: "product:",
      GITHUB_STEP_SUMMARY: summary,
    };
    const steps = Object.values(Object(at(parseYaml(file), "jobs", "invalidate", "steps"))) as Yaml[];
    let said = "";
    for (const step of steps.slice(2)) {
      // As a runner does: bash -e.
      const { code, stdout, stderr } = await runShell(`unset -f cache\nset -eo pipefail\n${at(step, "run")}`, {
        cwd,
        env,
      });
      expect([at(step, "name"), code, stderr]).toEqual([at(step, "name"), 0, expect.any(String)]);
      said += stdout;
    }
    expect(JSON.parse(said.slice(said.indexOf("{")))).toMatchObject({ deleted: 2 });
    expect(readFileSync(summary, "utf8")).toMatch(/would delete 2 entries/);
    expect(await redisCli(redis, "KEYS", "*")).toBe("other");
    await redis.stop();
  });

  test("tries again only while the store is away", async () => {
    const steps = Object.values(Object(at(parseYaml(file), "jobs", "invalidate", "steps"))) as Yaml[];
    const script = at(steps.at(-1) ?? null, "run");
    const withCode = (code: number) =>
      runShell(`cache() { echo asked; return ${code}; }; sleep() { :; }\nset -eo pipefail\n${script}`);
    for (const [code, times] of [
      [0, 1],
      [5, 3],
      [7, 1],
    ] as const) {
      const result = await withCode(code);
      expect([result.code, result.stdout.toString()]).toEqual([code, "asked\n".repeat(times)]);
    }
  });
});
