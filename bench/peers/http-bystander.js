// node http-bystander.js PORT PATH…: asks for one after another on one connection until standard input ends; then the 99th percentile of what it waited, as JSON.
import { Agent } from "node:http";
import { get } from "../http.js";
import { quantile } from "../measure.js";

const [port, ...paths] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
/** @type {number[]} */
const waits = [];
let failed = 0;
let running = true;
process.stdin.resume().once("end", () => {
  running = false;
});
console.log("ready");
for (let i = 0; running; i++) {
  const { status, ms } = await get(Number(port), paths[i % paths.length] ?? "/", agent);
  waits.push(ms);
  if (status !== 200) failed += 1;
}
agent.destroy();
console.log(JSON.stringify({ p99: quantile(waits, 0.99), most: Math.max(...waits), asked: waits.length, failed }));
