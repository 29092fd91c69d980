import { once } from "node:events";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";

/**
 * A program that does one thing to a store whenever a line comes in, and prints a line when it is done, until it is killed or its input ends. Arguments:
 * backend, path, what it does: `set` the key `k`, `lease` it for ten minutes, or write a `stream` of it, a piece a line, and `commit` it with the line "commit".
 */
const [kind = "", path = "", role = ""] = process.argv.slice(2);
const options = { path, namespace: "w:", clock: systemClock, emit: () => {} };
const backend = kind === "file" ? await openFile(options) : await openSqlite(options);
const writer = role === "stream" ? await backend.openWrite({ key: "k", tags: ["t"] }) : undefined;

async function act(line: string): Promise<string> {
  if (role === "set") await backend.setMany([{ key: "k", value: Buffer.from(line) }]);
  else if (role === "lease") return (await backend.lease("k", Number(line))).outcome;
  else if (line === "commit") return (await writer?.commit()) ?? "";
  else await writer?.write(Buffer.alloc(200_000, line));
  return "done";
}

console.log("ready");
process.stdin.setEncoding("utf8").on("data", async (text: string) => {
  for (const line of text.trim().split("\n")) console.log(await act(line));
});
await once(process.stdin, "end");
await backend.close();
