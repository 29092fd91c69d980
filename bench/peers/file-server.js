// node file-server.js PORT FOLDER: answers with the file of that name, read as it is sent.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";

const [port, folder] = process.argv.slice(2);
createServer(async (request, response) => {
  try {
    const path = join(folder, basename(request.url));
    const { size } = await stat(path);
    response.writeHead(200, {
      "Content-Type": "application/octet-stream",
      "Cache-Control": "max-age=86400",
      ETag: '"1"',
      "Content-Length": size,
    });
    pipeline(createReadStream(path), response, () => {});
  } catch {
    response.writeHead(404).end();
  }
}).listen(Number(port), "127.0.0.1");
