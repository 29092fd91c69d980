import type { FastifyInstance } from "fastify";
import { warmCall } from "../../api/entries.js";
import type { Cache } from "../../cache/cache.js";
import { showKey } from "../../key.js";
import { warm } from "../../transfer/warm.js";
import { parseTtl } from "../../units.js";
import { documented } from "./documented.js";
import { sendLines } from "./line-stream.js";

/** Bad records that are told of one by one. */
const MAX_REJECTS = 100;

/**
 * `POST /v1/entries/warm`: writes the records of its body, which is read as it comes: an object, an array or lines, as `cache warm` takes them. Answered in lines: how far it is, the first
 * bad records, and the report.
 */
export async function warmRoute(app: FastifyInstance, { cache }: { cache: Cache }): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(["application/json", "application/x-ndjson"], (_request, _payload, done) => done(null));
  const { summary, query, answers } = warmCall;
  const doc = { role: "operator" as const, summary, query, answers: { 200: answers } };
  documented(app, ["POST", "/v1/entries/warm"], doc, ({ query: { ttl, prefix, tag, mode } }, reply, { raw, headers }) =>
    sendLines(reply, async (send, signal) => {
      let told = 0;
      const report = await warm(cache, ["-"], {
        stdin: raw,
        signal,
        format: headers["content-type"]?.startsWith("application/x-ndjson") ? "ndjson" : "json",
        ...(ttl !== undefined && { ttl: parseTtl(ttl) }),
        ...(prefix !== undefined && { prefix }),
        ...(tag !== undefined && { tags: [tag].flat() }),
        ifAbsent: mode === "if-absent",
        onProgress: ({ records }) => void send({ done: records }),
        onReject: async ({ line, offset, reason, text }) => {
          told += 1;
          if (told <= MAX_REJECTS)
            await send({ reject: { line, offset, reason, text: showKey(text.toString()).slice(0, 200) } });
        },
      });
      await send({ report });
    }),
  );
}
