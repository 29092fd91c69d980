// node http-cluster.js WORKERS PORT BYTES FIELDS: http-server.js in several processes on one port.
import cluster from "node:cluster";
import { join } from "node:path";

const [workers, ...args] = process.argv.slice(2);
cluster.setupPrimary({ exec: join(import.meta.dirname, "http-server.js"), args });
for (let i = 0; i < Number(workers); i++) cluster.fork();
process.once("SIGTERM", () => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.kill("SIGKILL");
  process.exit();
});
