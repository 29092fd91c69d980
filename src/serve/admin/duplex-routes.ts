import type { FastifyInstance } from "fastify";
import { checked } from "../../api/checked.js";
import { entryCalls, stopLine, writeCall, writeHead, writeLine } from "../../api/entries.js";
import { readLines } from "../../api/lines.js";
import type { OtherType } from "../../api/openapi.js";
import { fromWire, toBytes } from "../../api/wire.js";
import type { Backend } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";
import { documented } from "./documented.js";
import { type SendLine, sendLines } from "./line-stream.js";
import { PendingNote } from "./pending-note.js";
import { tierOf } from "./tier-of.js";

type Parts = { backend: Backend };
type Lines = AsyncIterableIterator<unknown>;

/** Calls that are in lines both ways, at the same time: a request in lines may go on while it is answered. */
export async function duplexRoutes(app: FastifyInstance, { backend: store }: Parts): Promise<void> {
  app.addContentTypeParser("application/x-ndjson", (_request, _payload, done) => done(null));
  const route = (
    path: string,
    { summary, answers }: { summary: string; answers: OtherType },
    work: (asked: Lines, send: SendLine, gone: AbortSignal) => Promise<void>,
  ) =>
    documented(
      app,
      ["POST", path],
      { role: "operator", summary, answers: { 200: answers } },
      (_, reply, { body, raw }) =>
        sendLines(reply, (send, gone) => work(body === undefined ? readLines(raw) : inOne(body), send, gone)),
    );

  /**
   * A value piece by piece. Asked: what the entry is to be, its pieces, that it is whole. Answered: that it may come, and what became of it. A request that ends before it says that the value
   * is whole stores nothing.
   */
  route("/v1/entries/write", writeCall, async (asked, send, signal) => {
    const { tier, head, ...options } = checked(writeHead, (await asked.next()).value);
    const writer = await tierOf(store, tier).openWrite(fromWire(head), { ...options, signal });
    try {
      await send({ open: true });
      for await (const line of asked) {
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
  });

  /** A deletion in steps, which `{"stop":true}` ends at a safe point. */
  route("/v1/entries/invalidate", entryCalls.invalidate, async (asked, send, gone) => {
    const { tier, selector, ...options } = checked(entryCalls.invalidate.asks, (await asked.next()).value);
    const stopped = new AbortController();
    void untilStop(asked, gone).then(() => stopped.abort());
    const { onPending, answered } = new PendingNote();
    const onProgress = (done: number) => void send({ done });
    const call = { ...options, signal: stopped.signal, onPending, onProgress };
    await send(answered({ report: await tierOf(store, tier).deleteWhere(selector, call) }));
  });
}

/** Resolves when the client says so, or is gone; a request that merely ends lets the work go on. */
async function untilStop(asked: Lines, gone: AbortSignal): Promise<void> {
  try {
    for await (const line of asked) if (stopLine.safeParse(line).success) return;
  } catch {
    // What can't be read comes from a client that is gone, or says nothing more that counts.
  }
  if (gone.aborted) return;
  await new Promise<void>((resolve) => gone.addEventListener("abort", () => resolve(), { once: true }));
}

async function* inOne(body: unknown): AsyncGenerator<unknown> {
  yield body;
}
