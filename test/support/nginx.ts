import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { tempDir } from "./temp-dir.js";
import { until } from "./until.js";

export interface Nginx {
  readonly url: string;
  /** The folder that it serves. */
  readonly root: string;
  stop(): Promise<void>;
}

/** A real nginx on a free port that serves a folder. @param locations directives of its `server` block */
export async function startNginx(locations = ""): Promise<Nginx> {
  const folder = tempDir("nginx");
  const root = join(folder, "root");
  mkdirSync(root);
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const config = `
    daemon off; ${process.getuid?.() === 0 ? "user root;" : ""} pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary.join(" ")}
      types { text/html html; text/plain txt; application/json json; }
      gzip on; gzip_vary on; gzip_proxied any; gzip_min_length 100; gzip_types application/json text/plain;
      server { listen 127.0.0.1:${port}; root ${root}; ${locations} }
    }`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const child = spawn("nginx", ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")]);
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${said}`);
      return fetch(url).then(
        () => true,
        () => false,
      );
    },
    { timeoutMs: 10_000 },
  );
  return {
    url,
    root,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
