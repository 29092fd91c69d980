import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let server: AdminUnderTest;
beforeAll(async () => {
  server = await startAdmin();
});
afterAll(() => server.stop());

async function warmed(type: string, body: string, query = "") {
  const answer = await server.call(`/v1/entries/warm${query}`, { method: "POST", text: body, type });
  const lines = answer.text.split("\n").filter((line) => line !== "");
  return { status: answer.status, lines: lines.map((line): Record<string, unknown> => JSON.parse(line)) };
}

test("records of the body are written as they come, and the report is the last but one line", async () => {
  const records = Array.from({ length: 2000 }, (_, i) => JSON.stringify({ key: `k${i}`, value: i }));
  const { status, lines } = await warmed("application/x-ndjson", records.join("\n"), "?prefix=p:&tag=a&tag=b&ttl=1m");
  expect(status).toBe(200);
  expect(lines.slice(-2)).toMatchObject([{ report: { read: 2000, stored: 2000 } }, { end: true }]);
  const [entry] = await server.cache.readMany(["p:k1999"], { want: "all" });
  expect(entry).toMatchObject({ tags: ["a", "b"], expiresAt: server.clock.now() + 60_000 });
  expect(await server.cache.get("p:k1999")).toBe(1999);
});

test("an object and an array are taken too, and what is there can be left alone", async () => {
  await server.cache.set("there", "old");
  const object = await warmed("application/json", '{"there":"new","fresh":1}', "?mode=if-absent");
  expect(object.lines.at(-2)).toMatchObject({ report: { read: 2, stored: 1 } });
  expect([await server.cache.get("there"), await server.cache.get("fresh")]).toEqual(["old", 1]);
  const array = await warmed("application/json", '[{"key":"in array","value":"x"}]');
  expect(array.lines.at(-2)).toMatchObject({ report: { stored: 1 } });
});

test("a bad record is told with its place, and the good ones go in", async () => {
  const { lines } = await warmed(
    "application/x-ndjson",
    '{"key":"good","value":1}\n{"key":7}\n{"key":"last","value":2}',
  );
  expect(lines).toContainEqual({ reject: expect.objectContaining({ line: 2, reason: expect.any(String) }) });
  expect(lines.at(-2)).toMatchObject({ report: { stored: 2, rejected: 1 } });
  expect(await server.cache.get("last")).toBe(2);
});

test("what can't be read is an error, and so is a setting that can't be right", async () => {
  const cut = await warmed("application/json", '[{"key":"cut');
  expect(cut.lines.at(-1)).toMatchObject({ error: { code: expect.any(String) } });
  expect(await server.cache.get("cut")).toBeUndefined();
  const wrong = await warmed("application/json", "{}", "?ttl=soon");
  expect([wrong.status, wrong.lines]).toMatchObject([400, [{ error: { message: expect.stringContaining("soon") } }]]);
  const file = await server.call("/v1/entries/warm", { method: "POST", as: "viewer", body: {} });
  expect(file.status).toBe(403);
});
