// node slow-api.mjs: an API on http://127.0.0.1:3000 that takes half a second for each answer, for trying `cache serve` without one of your own.
import { createServer } from "node:http";

let asked = 0;

const server = createServer((request, response) => {
  asked += 1;
  const body = `${JSON.stringify({ path: request.url, asked })}\n`;
  setTimeout(() => {
    response.setHeader("Content-Type", "application/json");
    // Anyone may keep it for a minute.
    response.setHeader("Cache-Control", "public, max-age=60");
    response.setHeader("Surrogate-Key", "demo");
    response.end(body);
  }, 500);
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
