import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { redisCli } from "../support/redis-server.js";
import { Workspace } from "../support/workspace.js";

let cluster: RedisCluster;
let work: Workspace;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 });
});
afterAll(() => cluster.stop());
beforeEach(async () => {
  await cluster.flush();
  work = new Workspace(cluster.url);
});

const lines = Array.from({ length: 300 }, (_, i) => JSON.stringify({ key: `k${i}`, value: i, tags: [`of ${i % 3}`] }));
const json = async (args: string[]) => JSON.parse((await work.ok([...args, "--json"])).stdout);

describe("every command on a cluster", () => {
  it("warms, lists, exports and invalidates on each primary", async () => {
    const file = work.write("in.ndjson", lines.join("\n"));
    expect((await work.ok(["warm", file, "-n", "app"])).stdout).toContain("300");
    expect(await json(["keys", "-n", "app", "--count"])).toMatchObject({ count: 300 });
    expect(await json(["keys", "-n", "app", "--tag", "of 1", "--count"])).toMatchObject({ count: 100 });
    const exported = (await work.ok(["export", "-n", "app"])).stdout.trim().split("\n");
    expect(exported).toHaveLength(300);
    expect(await json(["invalidate", "--tag", "of 1", "-n", "app", "--yes"])).toMatchObject({ deleted: 100 });
    expect(await json(["invalidate", "--prefix", "k1", "-n", "app", "--yes"])).toMatchObject({ complete: true });
    expect(await json(["invalidate", "--all", "-n", "app", "--confirm=app"])).toMatchObject({ complete: true });
    expect(await json(["keys", "-n", "app", "--count"])).toMatchObject({ count: 0 });
  });

  it("sets, gets, touches, tells and counts", async () => {
    await work.ok(["set", "a", "1", "-n", "app", "--ttl", "1h", "--tag", "t"]);
    expect((await work.ok(["get", "a", "-n", "app"])).stdout).toBe("1");
    await work.ok(["touch", "a", "-n", "app", "--ttl", "none"]);
    await work.ok(["exists", "a", "-n", "app"]);
    expect(await json(["stats", "-n", "app"])).toMatchObject({ hits: 1 });
    const info = await work.ok(["info", "--check"]);
    expect(info.stdout).toContain("cluster");
  });

  it("is measured, alone and below memory, and left as it was", async () => {
    await work.ok(["set", "a", "1", "-n", "app"]);
    const brief = ["--ops", "20", "--rounds", "1", "--warm-up", "0", "--keys", "10", "--concurrency", "2", "-n", "app"];
    const both = ["-s", cluster.url, "-s", `memory: ${cluster.url}`];
    const { code, json: report } = await work.bare(["bench", ...brief, ...both, "--json"]);
    expect([code, report().stores]).toMatchObject([0, [{ state: "measured" }, { state: "measured" }]]);
    expect(report().results).toHaveLength(10);
    const keys = await Promise.all((await cluster.primaries()).map((node) => redisCli(node, "KEYS", "*bench*")));
    expect(keys.join("")).toBe("");
    expect((await work.ok(["get", "a", "-n", "app"])).stdout).toBe("1");
  });
});
