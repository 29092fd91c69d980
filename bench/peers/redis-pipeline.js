// node redis-pipeline.js FILE PORT TTL_MS: what a program does that loads NDJSON with ioredis alone, 500 records a pipeline.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";

const [file = "", port, ttl = ""] = process.argv.slice(2);
const redis = new Redis(Number(port), "127.0.0.1");
let pipeline = redis.pipeline();
for await (const line of createInterface({ input: createReadStream(file, { highWaterMark: 262_144 }) })) {
  const { key, value } = JSON.parse(line);
  pipeline.set(key, JSON.stringify(value), "PX", ttl);
  if (pipeline.length < 500) continue;
  await pipeline.exec();
  pipeline = redis.pipeline();
}
await pipeline.exec();
redis.disconnect();
