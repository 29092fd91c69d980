// node http-server.js PORT BYTES [FIELDS]: answers every request with so many bytes, and with the fields given as a JSON list (name, value, …), else with those of an origin that
// lets its responses be kept. Says `ready` when it listens.
import { createServer } from "node:http";

const [port, bytes, fields] = process.argv.slice(2);
const body = Buffer.alloc(Number(bytes), "a");
const head = fields === undefined ? undefined : JSON.parse(fields);
createServer((_request, response) => {
  if (head === undefined) {
    response.writeHead(200, {
      "Content-Type": "text/plain",
      "Cache-Control": "max-age=86400",
      ETag: '"1"',
      "Content-Length": body.length,
    });
  } else response.writeHead(200, head);
  response.end(body);
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
