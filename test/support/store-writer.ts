import { writeSync } from "node:fs";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";
import { bytesOf } from "./store-writer-values.js";

/**
 * A program that writes to a store and prints each key when its write is acknowledged: `+key`, `-key` for a deletion, `!code` for a
 * failure. Arguments: backend, path, name of the writer, writes to make (0 = until it is killed).
 */
const [kind = "", path = "", writer = "", count = "0"] = process.argv.slice(2);

async function run(backend: Backend): Promise<void> {
  for (let n = 0; count === "0" || n < Number(count); n++) {
    const keys = Array.from({ length: n % 7 === 0 ? 20 : 1 }, (_, i) => `${writer}:${n}:${i}`);
    await backend.setMany(keys.map((key) => ({ key, value: bytesOf(key), tags: [`n${n % 3}`] })));
    tell("+", keys);
    if (n % 5 === 4) {
      const doomed = [`${writer}:${n - 2}:0`];
      await backend.deleteMany(doomed);
      tell("-", doomed);
    }
  }
}

const tell = (sign: string, keys: readonly string[]) => writeSync(1, keys.map((key) => `${sign}${key}\n`).join(""));

try {
  const options = {
    path,
    namespace: "w:",
    clock: systemClock,
    emit: (event: { code: string }) => tell("!", [event.code]),
  };
  const backend = kind === "file" ? await openFile(options) : await openSqlite(options);
  await run(backend);
  await backend.close();
} catch (error) {
  tell("!", [error instanceof Error ? `${error.message}` : String(error)]);
  process.exitCode = 1;
}
