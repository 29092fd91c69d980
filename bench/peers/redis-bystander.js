// node redis-bystander.js PORT: a GET every millisecond until standard input ends; then the 99th percentile of what it waited, as JSON.
import { createConnection } from "node:net";
import { quantile } from "../measure.js";

const socket = createConnection({ port: Number(process.argv[2]), host: "127.0.0.1", noDelay: true });
/** @type {number[]} */
const waits = [];
let asked = 0;
const ask = () => {
  asked = performance.now();
  socket.write("*2\r\n$3\r\nGET\r\n$3\r\nq:7\r\n");
};
let running = true;
socket.once("connect", () => {
  console.log("ready");
  ask();
});
socket.on("data", () => {
  waits.push(performance.now() - asked);
  if (running) setTimeout(ask, 1);
  else socket.destroy();
});
process.stdin.resume().once("end", () => {
  running = false;
  console.log(JSON.stringify({ p99: quantile(waits, 0.99), most: Math.max(...waits), asked: waits.length }));
});
