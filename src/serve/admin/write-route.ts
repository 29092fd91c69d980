import type { FastifyInstance } from "fastify";
import { writeHead, writeLine } from "../../api/entries.js";
import { readLines } from "../../api/lines.js";
import { fromWire, toBytes } from "../../api/wire.js";
import type { Backend } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";
import { checked } from "./checked.js";
import { sendLines } from "./line-stream.js";
import { tierOf } from "./tier-of.js";

/**
 * `POST /v1/entries/write`: a value piece by piece, in lines both ways. Asked: what the entry is to be, its pieces, that it is whole. Answered: that it may come, and what became of it.
 * A request that ends before it says that the value is whole stores nothing.
 */
export async function writeRoute(app: FastifyInstance, { backend: store }: { backend: Backend }): Promise<void> {
  app.addContentTypeParser("application/x-ndjson", (_request, _payload, done) => done(null));
  app.post("/v1/entries/write", { config: { role: "operator" } }, (request, reply) =>
    sendLines(reply, async (send, signal) => {
      const lines = readLines(request.raw);
      const first = await lines.next();
      const { tier, head, ...options } = checked(writeHead, first.value);
      const writer = await tierOf(store, tier).openWrite(fromWire(head), { ...options, signal });
      try {
        await send({ open: true });
        for await (const line of lines) {
          const step = checked(writeLine, line);
          if ("piece" in step) await writer.write(toBytes(step.piece));
          else return await send({ outcome: await writer.commit(step.commit === true ? undefined : step.commit) });
        }
        throw new CacheError("usage", "incomplete-value", "the value ended before it was whole", {
          hint: 'End it with {"commit":true}.',
        });
      } finally {
        await writer.abort();
      }
    }),
  );
}
