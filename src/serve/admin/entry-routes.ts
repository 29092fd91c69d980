import type { FastifyInstance } from "fastify";
import { entryCalls } from "../../api/entries.js";
import { errorToWire } from "../../api/errors.js";
import { fromWire, stepFromWire, toText, toWire } from "../../api/wire.js";
import type { Backend, UnreadableEntry } from "../../backends/backend.js";
import { Calls } from "./calls.js";
import { PendingNote } from "./pending-note.js";

/** Bytes of a body that carries values. */
const MAX_VALUES_BODY = 96 * 1024 * 1024;
/** Bytes of values after which an answer ends; who asked for more asks again. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Keys that are read at once. */
const READ_STEP = 100;

/**
 * `/v1/entries/…`: what the `remote` backend speaks, the contract of a backend as calls with JSON bodies, since a key may be `..` or hold any byte. Each call may name a tier.
 */
export function entryRoutes(app: FastifyInstance, { backend: store }: { backend: Backend }): void {
  const calls = new Calls(app, store, "/v1/entries/");
  calls.answer(["viewer", "get"], entryCalls.get, async (backend, { keys, ...options }, signal) => {
    const unreadable: UnreadableEntry[] = [];
    const onUnreadable = (entry: UnreadableEntry) => unreadable.push(entry);
    const entries: (object | null)[] = [];
    let bytes = 0;
    for (let i = 0; i < keys.length && bytes < MAX_ANSWER_BYTES; i += READ_STEP) {
      for (const stored of await backend.getMany(keys.slice(i, i + READ_STEP), { ...options, signal, onUnreadable })) {
        bytes += stored?.size ?? 0;
        entries.push(stored === undefined ? null : toWire(stored));
      }
    }
    return { entries, ...(unreadable.length > 0 && { unreadable: unreadable.map(unreadableToWire) }) };
  });
  calls.lines(["viewer", "read"], entryCalls.read, async (backend, { key, ...options }, send, signal) => {
    const reader = await backend.openRead(key, { ...options, signal });
    if (reader === undefined) return send({ head: null });
    try {
      await send({ head: toWire(reader.head) });
      for await (const piece of reader.body) {
        if (signal.aborted) return;
        await send({ piece: toText(piece) });
      }
    } finally {
      reader.close();
    }
  });
  calls.answer(
    ["operator", "set"],
    entryCalls.set,
    async (backend, { entries, ...options }, signal) => {
      const { onPending, answered } = new PendingNote();
      return answered({ outcomes: await backend.setMany(entries.map(fromWire), { ...options, signal, onPending }) });
    },
    { bodyLimit: MAX_VALUES_BODY },
  );
  calls.answer(["operator", "touch"], entryCalls.touch, async (backend, { changes, ...options }, signal) => {
    const { onPending, answered } = new PendingNote();
    return answered({ touched: await backend.touchMany(changes.map(fromWire), { ...options, signal, onPending }) });
  });
  calls.answer(["operator", "delete"], entryCalls.delete, async (backend, { keys, ...options }, signal) => {
    const { onPending, answered } = new PendingNote();
    return answered({ deleted: await backend.deleteMany(keys, { ...options, signal, onPending }) });
  });
  calls.lines(["viewer", "scan"], entryCalls.scan, async (backend, { selector, ...options }, send, signal) => {
    const onStep = () => void send({});
    for await (const { entries, ...rest } of backend.scan(selector, { ...options, signal, onStep })) {
      await send({ entries: entries.map(toWire), ...rest });
    }
  });
  calls.answer(
    ["operator", "atomic"],
    entryCalls.atomic,
    async (backend, { steps, ...options }, signal) => {
      const { onPending, answered } = new PendingNote();
      await backend.atomic(steps.map(stepFromWire), { ...options, signal, onPending });
      return answered({});
    },
    { bodyLimit: MAX_VALUES_BODY },
  );
  calls.answer(["viewer", "hottest"], entryCalls.hottest, async (backend, { limit }, signal) => ({
    keys: await backend.hottest(limit, { signal }),
  }));
  calls.answer(["operator", "lease"], entryCalls.lease, async (backend, { key, ms, ...options }, signal) =>
    backend.lease(key, ms, { ...options, signal }),
  );
  calls.answer(["operator", "renew"], entryCalls.renew, async (backend, { lease, ms }) => ({
    ours: await backend.renew(lease, ms),
  }));
  calls.answer(["operator", "release"], entryCalls.release, async (backend, { lease }) => {
    await backend.release(lease);
    return {};
  });
  calls.answer(
    ["operator", "commit"],
    entryCalls.commit,
    async (backend, { entry, lease, ...options }, signal) => {
      const { onPending, answered } = new PendingNote();
      return answered({ stored: await backend.commit(fromWire(entry), lease, { ...options, signal, onPending }) });
    },
    { bodyLimit: MAX_VALUES_BODY },
  );
}

function unreadableToWire({ key, version, error }: UnreadableEntry) {
  return { key, ...(version !== undefined && { version }), ...(error && errorToWire(error)) };
}
