import { type Duplex, Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Fields, ResponseHead } from "../http/message.js";
import { protocolTaken } from "../http/upgrade.js";

export interface UpgradeRequest {
  method: string;
  path: string;
  headers: string[];
  /** Value of `Upgrade`. */
  upgrade: string;
  signal?: AbortSignal | undefined;
  onInformational: (head: ResponseHead) => void;
}

/** What an origin made of a request for another protocol: it switched to it, or answered as it answers any request. */
export interface UpgradeAnswer extends ResponseHead {
  body: Readable;
  /** The connection, where it speaks the other protocol from now on. */
  socket: Duplex | undefined;
}

/** Asks an origin for another protocol (RFC 9110 §7.8). Its answer may be a plain response, which undici's own `upgrade` takes for a failure. */
export function requestUpgrade(pool: Dispatcher, request: UpgradeRequest): Promise<UpgradeAnswer> {
  const { signal, onInformational, upgrade, ...rest } = request;
  return new Promise((resolve, reject) => {
    let body: Readable | undefined;
    let abort = () => {};
    signal?.addEventListener("abort", () => abort(), { once: true });
    pool.dispatch(
      { ...rest, method: rest.method as Dispatcher.HttpMethod, upgrade },
      {
        onRequestStart(controller) {
          abort = () => controller.abort(new Error("the client went away"));
          if (signal?.aborted) abort();
        },
        onRequestUpgrade(controller, status, _headers, socket) {
          const fields = latin1Of(controller.rawHeaders);
          // Nobody listens yet, and what goes wrong now is seen when it is used.
          socket.on("error", () => socket.destroy());
          if (status === 101 && protocolTaken(upgrade, fields) !== undefined) {
            resolve({ status, fields, body: Readable.from([]), socket });
          } else {
            socket.destroy();
            reject(new Error("the origin switched to a protocol that it was not asked for"));
          }
        },
        onResponseStart(controller, status) {
          const fields = latin1Of(controller.rawHeaders);
          if (status < 200) return onInformational({ status, fields });
          body = new Readable({
            read: () => controller.resume(),
            destroy(error, done) {
              controller.abort(error ?? new Error("the response is not wanted"));
              done(error);
            },
          });
          // Who reads it is told all the same.
          body.on("error", () => {});
          resolve({ status, fields, body, socket: undefined });
        },
        onResponseData(controller, piece) {
          if (body?.push(piece) === false) controller.pause();
        },
        onResponseEnd: () => void body?.push(null),
        onResponseError(_controller, error) {
          if (body) body.destroy(error);
          else reject(error);
        },
      },
    );
  });
}

/** Octets that are no ASCII are passed on as they are. */
function latin1Of(headers: Dispatcher.DispatchController["rawHeaders"]): Fields {
  if (!Array.isArray(headers)) return [];
  return headers.map((text: Buffer | string) => (typeof text === "string" ? text : text.toString("latin1")));
}
