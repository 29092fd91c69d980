import { interleave, timed } from "../measure.js";
import { jsonOf, keyOf, writeRecords } from "../records.js";

/** One entry shown by a process of its own, as a shell script does it, against Node doing nothing. */
export async function measure(work) {
  const binary = work.binary();
  const store = `sqlite:${work.path("store.db")}`;
  writeRecords(work.path("records.ndjson"), 10_000, "ndjson");
  await timed(["node", binary, "warm", work.path("records.ndjson"), "-s", store, "--ttl", "1d"], { env: work.env });
  const { env } = work;
  const cwd = work.dir;
  const get = ["node", binary, "get", keyOf(4711), "-s", store];
  const { stdout } = await timed(get, { env, cwd });
  if (stdout !== jsonOf(4711)) throw new Error(`get gave ${stdout}`);
  const seen = await interleave(
    {
      get: async () => (await timed(get, { env, cwd })).ms,
      node: async () => (await timed(["node", "-e", "0"], { env, cwd })).ms,
    },
    { runs: 41, warmUps: 5 },
  );
  return [
    {
      what: "cache get KEY on SQLite, whole process",
      peer: "node -e 0",
      bound: "at most",
      wanted: 2,
      seen: seen.get.median / seen.node.median,
      unit: "×",
      samples: seen,
    },
  ];
}
