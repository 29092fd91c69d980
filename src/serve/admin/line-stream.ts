import type { FastifyReply } from "fastify";
import { errorToWire } from "../../api/errors.js";
import { answerStatus } from "./refusal.js";

/** Milliseconds without a line after which an empty one is sent, so that the other side knows that the work goes on. */
const QUIET_MS = 5000;

/** Sends a line; resolves when there is room for more, or nobody reads any more. */
export type SendLine = (line: object) => Promise<void>;

/**
 * Answers with lines of JSON (`application/x-ndjson`), sent while the work goes on. The last is `{"end":true}`, or `{"error":…}` where the work failed, so that an answer which is cut
 * short is known as one. Work that fails before its first line is answered as any call that fails.
 * @param work gets a signal that is given when the client is gone
 */
export async function sendLines(
  reply: FastifyReply,
  work: (send: SendLine, gone: AbortSignal) => Promise<void>,
): Promise<FastifyReply> {
  reply.hijack();
  const { raw } = reply;
  const gone = goneSignal(reply);
  const begin = (status: number, type: string) => {
    if (raw.headersSent) return;
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
    raw.writeHead(status, { "content-type": type });
  };
  const send: SendLine = async (line) => {
    if (gone.aborted) return;
    begin(200, LINES);
    beat.refresh();
    if (!raw.write(`${JSON.stringify(line)}\n`)) await roomIn(raw, gone);
  };
  const beat = setInterval(() => {
    begin(200, LINES);
    if (!raw.writableNeedDrain) raw.write("\n");
  }, QUIET_MS);
  try {
    await work(send, gone);
    await send({ end: true });
  } catch (error) {
    begin(answerStatus(error), "application/json; charset=utf-8");
    await send(errorToWire(error));
  } finally {
    clearInterval(beat);
    raw.end();
  }
  return reply;
}

const LINES = "application/x-ndjson";

/** Is given when the client went before it had the whole answer. */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

function roomIn(raw: FastifyReply["raw"], gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off("drain", done);
      gone.removeEventListener("abort", done);
      resolve();
    };
    raw.once("drain", done);
    gone.addEventListener("abort", done, { once: true });
    if (gone.aborted) done();
  });
}
