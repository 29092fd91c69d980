import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newToken, tokenEntry } from "../../../src/config/admin-tokens.js";
import { AccessLog } from "../../../src/serve/watching/access-log.js";
import { FakeClock } from "../../support/fake-clock.js";
import { parseYaml, type Yaml } from "../../support/plain-yaml.js";
import { startRedis } from "../../support/redis-server.js";
import { runCli } from "../../support/run-cli.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { startWatched, type Watched } from "./watched.js";

const FOLDER = join(import.meta.dirname, "../../../examples/serve");
const ROOT = join(FOLDER, "../..");
const read = (name: string) => readFileSync(join(FOLDER, name), "utf8");

type YamlMap = { [name: string]: Yaml };

function map(value: Yaml | undefined): YamlMap {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`no map: ${String(value)}`);
  return value;
}

function list(value: Yaml | undefined): Yaml[] {
  if (!Array.isArray(value)) throw new Error(`no list: ${String(value)}`);
  return value;
}

/** Runs `cache serve` with these arguments as far as its settings go. */
async function checkServe(args: readonly string[]): Promise<void> {
  const dir = tempDir();
  const tokens = join(dir, "tokens");
  writeFileSync(tokens, JSON.stringify(tokenEntry(newToken(), "me", "viewer")), { mode: 0o600 });
  const here = args.map((arg) => arg.replace(/^(--admin-tokens=)?(?:\/run\/secrets|%d)\/tokens$/, `$1${tokens}`));
  const { code, stdout, stderr } = await runCli(["serve", ...here, "--check-config"], { cwd: dir, env: { HOME: dir } });
  expect([code, stderr, code === 0 ? "" : stdout]).toEqual([0, "", ""]);
}

describe("examples of Prometheus and Grafana", () => {
  let proxy: Watched;
  /** Names of the metrics, each with the names of its labels. */
  const metrics = new Map<string, Set<string>>();
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const accessLog = new AccessLog(new FakeClock(), { to: join(tempDir(), "log"), query: true, failed: () => {} });
    proxy = await startWatched((_request, response) => void response.end("hello"), {
      live: true,
      store: ["memory:", redis.url],
      cache: { fallback: `sqlite:${tempDir()}/fallback.db` },
      watch: { monitorMs: 1000, accessLog },
    });
    stops.unshift(() => proxy.stop());
    await proxy.get("/a");
    const figures = await until(async () => {
      const seen = await proxy.scrape();
      // Lookups in the store are counted there a while after they were made.
      return seen.has("cache_http_hit_ratio") && seen.has("cache_store_hit_ratio") && seen;
    });
    for (const name of figures.keys()) {
      const [, metric = "", labels = ""] = /^([^{]+)(?:\{(.*)\})?$/.exec(name) ?? [];
      const known = metrics.get(metric) ?? new Set(["instance", "job"]);
      for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) known.add(label);
      metrics.set(metric, known);
    }
  });

  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  /** What an expression of PromQL names that is not there. */
  function unknownIn(expression: string): string[] {
    const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');
    const functions = /\b(?:sum|rate|increase|histogram_quantile|by|label_values)\b(?=\s*\()/g;
    const grouped = [...bare.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = ""]) => names.split(/,\s*/));
    const rest = bare
      .replace(/\bby \([^)]*\)/g, " ")
      .replace(functions, " ")
      .replace(/\[[^\]]*\]/g, " ");
    const seen: string[] = [];
    const used = new Set<string>();
    for (const [, name = "", selector = ""] of rest.matchAll(/\b([a-z_][a-z0-9_]*)(?:\{([^}]*)\})?/g)) {
      const labels = metrics.get(name);
      if (!labels) seen.push(name);
      for (const label of labels ?? []) used.add(label);
      for (const [, label = ""] of selector.matchAll(/(\w+)\s*=/g))
        if (!labels?.has(label)) seen.push(`${name}{${label}}`);
    }
    return [...seen, ...grouped.filter((label) => !used.has(label)).map((label) => `by (${label})`)];
  }

  test("every metric of the dashboard is one, with the labels that it is asked for", () => {
    const dashboard = JSON.parse(read("grafana-dashboard.json"));
    const panels: { title: string; type: string; targets?: { expr: string; legendFormat: string }[] }[] =
      dashboard.panels;
    const targets = panels.flatMap((panel) => panel.targets ?? []);
    expect(targets.length).toBeGreaterThan(25);
    expect(targets.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
    expect(unknownIn('rate(cache_no_such_total{a="b"}[5m])')).toEqual([
      "cache_no_such_total",
      "cache_no_such_total{a}",
    ]);
    expect(unknownIn("sum by (url) (cache_tier_up)")).toEqual(["by (url)"]);
    const [, variable] = dashboard.templating.list;
    expect(variable.query.query).toBe("label_values(cache_build_info, instance)");
    expect(metrics.has("cache_build_info")).toBe(true);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });

  test("every metric of the alerts is one", () => {
    const [group] = list(map(parseYaml(read("prometheus-alerts.yml"))).groups);
    const rules = list(map(group).rules).map(map);
    expect(rules.length).toBeGreaterThan(3);
    expect(rules.flatMap(({ expr }) => unknownIn(String(expr)).filter((name) => name !== "for"))).toEqual([]);
    for (const { alert, annotations } of rules) expect(`${alert} ${map(annotations).summary}`).toMatch(/^Cache\w+ ./);
  });

  test("Prometheus is told of the route that answers", async () => {
    const config = map(parseYaml(read("prometheus.yml")));
    const [job] = list(config.scrape_configs);
    const { status } = await proxy.admin(String(map(job).metrics_path), { as: "viewer" });
    expect(status).toBe(200);
    for (const file of list(config.rule_files)) expect(existsSync(join(FOLDER, String(file)))).toBe(true);
  });
});

describe("examples of how it is run", () => {
  test("the unit of systemd is one, and starts what there is", async () => {
    const text = read("cachectl.service");
    const sections = [...text.matchAll(/^\[(\w+)\]$/gm)].map(([, name]) => name);
    expect(sections).toEqual(["Unit", "Service", "Install"]);
    const joined = text.replace(/\\\n\s*/g, " ");
    for (const line of joined.split("\n")) expect(line).toMatch(/^(?:#.*|\[\w+\]|[A-Z]\w*=.+|)$/);
    const start = /^ExecStart=(\S+) serve (.*)$/m.exec(joined);
    expect(start?.[1]).toBe("/usr/local/bin/cache");
    const dir = tempDir();
    const args = (start?.[2] ?? "")
      .trim()
      .split(/\s+/)
      .map((arg) => arg.replace(/%[CL]/, dir));
    await checkServe(args);
    const drain = Number(/--drain (\d+)s/.exec(joined)?.[1]);
    expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(joined)?.[1])).toBeGreaterThan(drain);
  });

  test.runIf(existsSync("/usr/bin/systemd-analyze"))("systemd finds nothing wrong with its unit", () => {
    const unit = join(tempDir(), "cachectl.service");
    writeFileSync(unit, read("cachectl.service").replace("/usr/local/bin/cache", process.execPath));
    const output = execFileSync("systemd-analyze", ["verify", unit], { encoding: "utf8", stdio: "pipe" });
    expect(output).toBe("");
  });

  test("the container file copies what there is, and starts what there is", async () => {
    const text = read("Containerfile").replace(/\\\n\s*/g, " ");
    const steps = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const known = /^(?:FROM|RUN|WORKDIR|COPY|USER|ENV|VOLUME|EXPOSE|HEALTHCHECK|STOPSIGNAL|ENTRYPOINT|CMD) \S/;
    expect(steps.filter((step) => !known.test(step))).toEqual([]);
    const copied = steps.flatMap((step) => /^COPY (?:--from=build )?(.*) \S+$/.exec(step)?.[1]?.split(" ") ?? []);
    const sources = copied
      .map((path) => path.replace(/^\/build/, ROOT))
      .map((path) => (path.startsWith("/") ? path : join(ROOT, path)));
    expect(sources.filter((path) => !existsSync(path))).toEqual([]);
    const [entry] = steps.filter((step) => step.startsWith("ENTRYPOINT ")).map((step) => JSON.parse(step.slice(11)));
    expect(entry).toEqual(["cache", "serve"]);
    const [args] = steps.filter((step) => step.startsWith("CMD ")).map((step) => JSON.parse(step.slice(4)));
    await checkServe(args);
    const [health] = steps
      .filter((step) => step.startsWith("HEALTHCHECK "))
      .map((step) => step.slice(step.indexOf("[")));
    const [node, flag, program] = JSON.parse(health ?? "");
    expect([node, flag]).toEqual(["node", "-e"]);
    expect(() => execFileSync(process.execPath, ["-e", program], { stdio: "ignore" })).toThrow();
  });

  test("the compose file starts what there is, with what it says", async () => {
    const compose = map(parseYaml(read("compose.yaml")));
    const services = map(compose.services);
    const { cache } = services;
    const { build, command, secrets, depends_on: needs } = map(cache);
    expect(existsSync(join(ROOT, String(map(build).dockerfile)))).toBe(true);
    await checkServe(list(command).map(String));
    for (const secret of list(secrets)) expect(Object.keys(map(compose.secrets))).toContain(secret);
    for (const [name, service] of Object.entries(services)) {
      expect(Object.keys(map(service)).some((key) => key === "image" || key === "build")).toBe(true);
      const { network_mode: mode, volumes = [] } = map(service);
      if (mode !== undefined) expect(Object.keys(services)).toContain(String(mode).replace("service:", ""));
      for (const volume of list(volumes)) {
        const path = String(volume).split(":", 1)[0] ?? "";
        if (!path.endsWith("-token")) expect([name, existsSync(join(FOLDER, path))]).toEqual([name, true]);
      }
    }
    for (const needed of Object.keys(map(needs))) expect(Object.keys(map(services[needed]))).toContain("healthcheck");
  });
});

describe("the reader of YAML", () => {
  test.each(["a: b: c", "a:\n\t- b", "a: 1\na: 2", "a: &b c", "- a\nb: c", "a: {b: c"])("refuses %j", (text) => {
    expect(() => parseYaml(text)).toThrow();
  });

  test("reads maps, lists and blocks", () => {
    const text = 'a:\n  - b: 1\n    c: "d: e"\n  - f\ng: { h: true, i: x }\nj: |\n  k\n    + l\n# no\nm: [1, "n"]\n';
    expect(parseYaml(text)).toEqual({
      a: [{ b: 1, c: "d: e" }, "f"],
      g: { h: true, i: "x" },
      j: "k\n+ l",
      m: [1, "n"],
    });
  });
});
